"""The root state: a fork of the warm guest, made into an interpreter with no names of its own.

All other states descend from it. It is forked before there is a warden, so nothing of one is in a
program's memory, and it gives up here for good what programs may not do.
"""

from __future__ import annotations

import _signal  # type: ignore[import-not-found]
import _socket
import ast
import builtins
import io
import os
import resource
import socket
import sys
import types
from contextlib import suppress
from pathlib import Path
from typing import NoReturn

from . import landlock, life, linux, pages, pristine, seccomp, shortening, sight, step
from .life import CHANNEL, OPEN_FILES

MAX_FILES = 4096
"""Descriptors that the warden may have open."""

_STACK_BYTES = 64 * 1024 * 1024


def start_root(readable: tuple[str, ...]) -> tuple[int, socket.socket]:
    """Fork the root state. Returns its process and the near end of its channel.

    `readable` are the files and folders that programs may read.
    """
    near, far = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    near.setblocking(False)
    pid = os.fork()
    if pid == 0:
        _become_first(far.fileno(), readable)
    far.close()
    return pid, near


def _become_first(channel: int, readable: tuple[str, ...]) -> NoReturn:
    """Make this fork of the warden the root state: an interpreter with no names of its own."""
    os.dup2(channel, CHANNEL, inheritable=False)
    os.closerange(CHANNEL + 1, MAX_FILES)
    null = os.open(os.devnull, os.O_RDWR)
    for standard in range(3):
        os.dup2(null, standard)
    os.close(null)
    _signal.set_wakeup_fd(-1)
    _signal.signal(_signal.SIGCHLD, _signal.SIG_IGN)
    _prefer_for_killing()
    _limit_files()
    _deepen_stack()
    pages.gather()
    _hide_files(readable)
    _install_filter()
    output = _redirect_streams()
    # What goes wrong here is no text for the step's output; the warden sees the process end.
    with suppress(BaseException):
        # What the functions that report take apart.
        trees = [kind for kind in vars(ast).values() if isinstance(kind, type)]
        pristine.make_unchangeable(os.stat_result, *(k for k in trees if issubclass(k, ast.AST)))
        parts = (
            pristine.parts_of(life, needed="wait_and_fork"),
            pristine.parts_of(life, step, shortening, needed="take_turn"),
        )
        own_end = _socket.socket(fileno=CHANNEL)
        life.live(parts, dict, types.FunctionType, own_end, _fresh_namespace(), output)
    os._exit(1)


def _redirect_streams() -> io.TextIOWrapper:
    """Python's streams go wherever descriptor 1 leads when they are flushed."""
    output = io.TextIOWrapper(
        io.BufferedWriter(io.FileIO(1, "w", closefd=False)), encoding="utf-8", errors="replace"
    )
    sys.stdout = sys.stderr = sys.__stdout__ = sys.__stderr__ = output  # type: ignore[misc]
    sys.stdin = sys.__stdin__ = open(0, encoding="utf-8", closefd=False)  # type: ignore[misc]  # noqa: SIM115
    return output


def _fresh_namespace() -> dict[str, object]:
    """The names of a new `__main__`; the guest's own modules are no longer to be found."""
    sys.argv = [""]
    main = types.ModuleType("__main__")
    package = (__package__ or "").split(".")[0]
    for name in [name for name in sys.modules if name.split(".")[0] == package]:
        del sys.modules[name]
    sys.modules["__main__"] = main
    namespace = vars(main)
    namespace["__builtins__"] = builtins
    return namespace


def _prefer_for_killing() -> None:
    """Where memory runs out, the kernel shall take a state and not the warden."""
    linux.prctl(linux.PR_SET_DUMPABLE, 1)
    with suppress(OSError):
        Path("/proc/self/oom_score_adj").write_text("1000", encoding="ascii")
    linux.prctl(linux.PR_SET_DUMPABLE, 0)


def _limit_files() -> None:
    resource.setrlimit(resource.RLIMIT_NOFILE, (OPEN_FILES, OPEN_FILES))
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def _deepen_stack() -> None:
    """Let programs recurse deeply through C: what they use of it counts as their memory."""
    _, most = resource.getrlimit(resource.RLIMIT_STACK)
    wanted = _STACK_BYTES if most == resource.RLIM_INFINITY else min(_STACK_BYTES, most)
    resource.setrlimit(resource.RLIMIT_STACK, (wanted, most))


def _hide_files(readable: tuple[str, ...]) -> None:
    """Leave in sight what programs need, and nothing that /proc tells of other programs."""
    with suppress(OSError):
        landlock.forbid_reading(but=readable, names_in=sight.folders_of_modules())


def _install_filter() -> None:
    with suppress(OSError):
        seccomp.install(seccomp.PROGRAM)
