"""Takes the right to change or to read files from this process and its children, for good.

Against writing it is the last line: where mounts are read-only already it changes nothing, and
where no namespace could be had it is what keeps programs from the disk. Against reading it is the
wall between programs: the kernel tells in /proc what each of them is called and does. Needs no
privilege but Linux 5.13 and no_new_privs.
Source: include/uapi/linux/landlock.h.
"""

from __future__ import annotations

import os
import struct
from typing import TYPE_CHECKING

from .linux import landlock_add_path, landlock_create, landlock_enforce, landlock_version

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

_WRITE_FILE = 1 << 1
_READ_FILE, _READ_FOLDER = 1 << 2, 1 << 3
_REMOVE_AND_MAKE = 0b1_1111_1111 << 4
_REFER = 1 << 13
_TRUNCATE = 1 << 14

_WRITABLE = ("/dev/null", "/proc")
"""What programs write to in good faith, and what a process tells the kernel of itself."""


def forbid_writing() -> None:
    """Refuse every change of files from now on. Raises OSError where the kernel cannot."""
    version = landlock_version()
    handled = _WRITE_FILE | _REMOVE_AND_MAKE
    handled |= _REFER if version >= 2 else 0
    handled |= _TRUNCATE if version >= 3 else 0
    _enforce(handled, dict.fromkeys(_WRITABLE, _WRITE_FILE))


def forbid_reading(*, but: Iterable[str], names_in: Iterable[str]) -> None:
    """Refuse to open any file and folder but these and what lies below them.

    Folders in and below `names_in` may be listed all the same. Raises OSError where the kernel
    cannot.
    """
    granted = dict.fromkeys(names_in, _READ_FOLDER)
    for path in but:
        granted[path] = _READ_FILE | _READ_FOLDER if os.path.isdir(path) else _READ_FILE  # noqa: PTH112
    _enforce(_READ_FILE | _READ_FOLDER, granted)


def can_forbid() -> bool:
    """Whether the kernel has Landlock, for which nothing may have switched it off."""
    try:
        return landlock_version() > 0
    except OSError:
        return False


def _enforce(handled: int, granted: Mapping[str, int]) -> None:
    """Refuse the rights in `handled`, but for what is granted below each path."""
    rules = landlock_create(struct.pack("Q", handled))
    try:
        for path, rights in granted.items():
            try:
                opened = os.open(path, os.O_PATH | os.O_CLOEXEC)
            except FileNotFoundError:
                continue
            landlock_add_path(rules, struct.pack("=Qi", rights, opened))
            os.close(opened)
        landlock_enforce(rules)
    finally:
        os.close(rules)
