"""The few system calls that Python 3.11 has no function for, as functions that raise OSError."""

from __future__ import annotations

import ctypes
import os
import signal
from contextlib import suppress

from .syscalls import number

PR_SET_PDEATHSIG = 1
PR_SET_DUMPABLE = 4
PR_SET_SECCOMP = 22
PR_CAPBSET_DROP = 24
PR_SET_CHILD_SUBREAPER = 36
PR_SET_NO_NEW_PRIVS = 38
PR_CAP_AMBIENT = 47
PR_CAP_AMBIENT_CLEAR_ALL = 4

CLONE_PARENT = 0x00008000
CLONE_NEWNS = 0x00020000
CLONE_NEWCGROUP = 0x02000000
CLONE_NEWUTS = 0x04000000
CLONE_NEWIPC = 0x08000000
CLONE_NEWUSER = 0x10000000
CLONE_NEWPID = 0x20000000
CLONE_NEWNET = 0x40000000

MADV_COLLAPSE = 25

MS_NOSUID = 0x2
MS_NODEV = 0x4
MS_NOEXEC = 0x8
MS_BIND = 0x1000
MS_REC = 0x4000
MS_PRIVATE = 0x40000
MNT_DETACH = 0x2

_AT_FDCWD = -100
_AT_RECURSIVE = 0x8000
_MOUNT_ATTR_RDONLY = 0x1
_MOUNT_ATTR_NOSUID = 0x2
_CAPABILITY_VERSION_3 = 0x20080522
_CAPABILITIES = 64
_LANDLOCK_VERSION = 1
_LANDLOCK_PATH = 1

_libc = ctypes.CDLL(None, use_errno=True)
# Calls through a PyDLL keep the interpreter lock, as a fork of the interpreter must.
_interpreter = ctypes.PyDLL(None, use_errno=True)

# The parts of a fork whose parent is this process's parent, for `life`, which names no module.
around_fork = (
    _interpreter.PyOS_BeforeFork,
    _interpreter.PyOS_AfterFork_Parent,
    _interpreter.PyOS_AfterFork_Child,
)
clone_sibling = (
    _interpreter.syscall,
    (number("clone"), CLONE_PARENT | signal.SIGCHLD, 0, 0, 0, 0),
)
raw_prctl = _libc.prctl
IN_EACH_FORK = ((PR_SET_CHILD_SUBREAPER, 1), (PR_SET_PDEATHSIG, int(signal.SIGKILL)))
"""Options that a fork does not inherit, and their values."""


class _MountAttributes(ctypes.Structure):
    _fields_ = (
        ("attr_set", ctypes.c_uint64),
        ("attr_clr", ctypes.c_uint64),
        ("propagation", ctypes.c_uint64),
        ("userns_fd", ctypes.c_uint64),
    )


def prctl(option: int, value: int = 0, second: int = 0) -> None:
    words = (ctypes.c_ulong(word) for word in (value, second, 0, 0))
    _check(_libc.prctl(option, *words))


def madvise(start: int, length: int, advice: int) -> None:
    _check(_libc.madvise(ctypes.c_void_p(start), ctypes.c_size_t(length), advice))


def unshare(flags: int) -> None:
    _check(_libc.unshare(flags))


def mount(source: str, target: str, kind: str, flags: int, options: str = "") -> None:
    arguments = (os.fsencode(part) for part in (source, target, kind))
    _check(_libc.mount(*arguments, ctypes.c_ulong(flags), os.fsencode(options)))


def make_read_only(target: str) -> None:
    """Make a mount and all below it read-only and without set-user-id. Needs Linux 5.12."""
    wanted = _MountAttributes(attr_set=_MOUNT_ATTR_RDONLY | _MOUNT_ATTR_NOSUID)
    where = os.fsencode(target)
    size = ctypes.sizeof(wanted)
    _call("mount_setattr", _AT_FDCWD, where, _AT_RECURSIVE, ctypes.addressof(wanted), size)


def enter_root(directory: str) -> None:
    """Make a mount point the root of the file system; what was the root is gone from sight."""
    os.chdir(directory)
    _call("pivot_root", b".", b".")
    _check(_libc.umount2(b".", MNT_DETACH))
    os.chdir("/")


def landlock_version() -> int:
    """The version of the kernel's Landlock. Raises OSError where it has none."""
    return _call("landlock_create_ruleset", 0, 0, _LANDLOCK_VERSION)


def landlock_create(attributes: bytes) -> int:
    """A descriptor of a new, empty set of rules."""
    return _call("landlock_create_ruleset", attributes, len(attributes), 0)


def landlock_add_path(rules: int, rule: bytes) -> None:
    _call("landlock_add_rule", rules, _LANDLOCK_PATH, rule, 0)


def landlock_enforce(rules: int) -> None:
    _call("landlock_restrict_self", rules, 0)


def drop_capabilities() -> None:
    """Give up every capability, and the chance of getting one back."""
    prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL)
    for capability in range(_CAPABILITIES):
        # Fails beyond the kernel's last one, and for who may not shrink this set anyway.
        with suppress(OSError):
            prctl(PR_CAPBSET_DROP, capability)
    header = (ctypes.c_uint32 * 2)(_CAPABILITY_VERSION_3, 0)
    nothing = (ctypes.c_uint32 * 6)()
    _check(_libc.capset(ctypes.byref(header), ctypes.byref(nothing)))


def _call(name: str, *arguments: int | bytes) -> int:
    """A system call that libc has no function for."""
    words = (part if isinstance(part, bytes) else ctypes.c_long(part) for part in arguments)
    result: int = _libc.syscall(ctypes.c_long(number(name)), *words)
    _check(result)
    return result


def _check(result: int) -> None:
    if result < 0:
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code))
