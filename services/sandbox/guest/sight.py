"""Which files programs see: the standard library, the libraries of mathematics, what both link to.

Nothing else of the interpreter's trees is theirs to read: other packages would make a step's result
depend on what a host happens to have, and a host's files are nobody's business.
"""

from __future__ import annotations

import ctypes
import os
import sys
import sysconfig
import traceback
from contextlib import suppress
from pathlib import Path

PACKAGES = ("mpmath", "numpy", "numpy.libs", "sympy", "tzdata")
"""Beside the standard library; the libraries that a wheel brings lie in a folder of their own."""

DEVICES = ("/dev/null", "/dev/zero", "/dev/random", "/dev/urandom")
_TIME = ("/etc/localtime", "/usr/share/zoneinfo")
_LOADER = ("/etc/ld.so.cache",)
_WITHOUT = frozenset(
    {
        *("site-packages", "dist-packages", "test", "idlelib", "tkinter", "turtledemo", "lib2to3"),
        *("ensurepip", "venv", "distutils", "pydoc_data", "sitecustomize.py", "LICENSE.txt"),
    }
)
"""What lies in the folder of the standard library and is not for programs."""
_UNLOADED = ("_tkinter", "_curses", "readline", "_dbm", "_gdbm", "nis", "ossaudiodev")
"""Extensions for terminals, windows and files, which would bring many libraries with them."""


def files_for_programs() -> tuple[str, ...]:
    """Absolute paths of the files and folders, with all below them, that programs may read.

    They are found in a process of their own, whose memory no state is a copy of.

    Raises:
        RuntimeError: they could not be found; the error stream says why.
    """
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            with os.fdopen(writing, "w", encoding="utf-8") as pipe:
                pipe.write("\n".join(_find()))
        except BaseException:
            traceback.print_exc()
            os._exit(1)
        os._exit(0)
    os.close(writing)
    with os.fdopen(reading, encoding="utf-8") as pipe:
        found = pipe.read()
    _, ended = os.waitpid(child, 0)
    if ended:
        raise RuntimeError("The files that programs need could not be found.")
    return tuple(found.split("\n"))


def _find() -> list[str]:
    packages = [Path(place, name) for place in sys.path if place for name in PACKAGES]
    folders = [*_standard_library(), *(folder for folder in packages if folder.exists())]
    found = [str(path) for path in (*folders, *_libraries(folders))]
    fixed = [path for path in (*_TIME, *_LOADER, *DEVICES) if Path(path).exists()]
    return [path for path in dict.fromkeys((*found, *fixed)) if "\n" not in path]


def folders_of_modules() -> tuple[str, ...]:
    """Where the standard library is looked up: its folder's names are no secret."""
    return tuple({sysconfig.get_path("stdlib"), sysconfig.get_path("platstdlib")})


def _standard_library() -> list[Path]:
    found = [Path(place) for place in sys.path if place.endswith(".zip") and Path(place).exists()]
    for folder in map(Path, folders_of_modules()):
        found += [
            path
            for path in sorted(folder.iterdir())
            if path.name not in _WITHOUT and not path.name.startswith(("config-", "."))
        ]
    return found


def _libraries(folders: list[Path]) -> list[Path]:
    """The shared libraries that extension modules in these folders need, under all their names."""
    loaded = {Path(name) for name in _loaded_with(_extensions(folders))}
    near = {place for path in loaded for place in (path.parent, path.parent.parent)}
    names = [
        Path(entry.path)
        for place in sorted(near)
        for entry in os.scandir(place)
        if ".so" in entry.name and entry.is_symlink() and Path(entry.path).resolve() in loaded
    ]
    return [*sorted(loaded), *names]


def _extensions(folders: list[Path]) -> list[str]:
    found = [path for folder in folders if folder.is_dir() for path in folder.rglob("*.so")]
    return [str(path) for path in found if not path.name.startswith(_UNLOADED)]


def _loaded_with(extensions: list[str]) -> list[str]:
    """The files that the loader maps for these extensions and for this interpreter.

    They are loaded without running anything of them, and the kernel is asked.
    """
    for extension in extensions:
        with suppress(OSError):
            ctypes.CDLL(extension, mode=os.RTLD_LAZY)
    lines = Path("/proc/self/maps").read_text(encoding="utf-8", errors="replace").splitlines()
    names = {line.split(maxsplit=5)[-1] for line in lines if ".so" in line}
    return [name for name in sorted(names) if name.startswith("/") and Path(name).exists()]
