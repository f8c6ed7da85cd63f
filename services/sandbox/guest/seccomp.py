"""System call filters: what no process of the guest needs, and what no program may do to another.

Filters only add up: the warden installs `GUEST`, and the first state adds `PROGRAM` for itself and
everything forked from it. A refused call fails with EPERM, an ordinary error to a program.
"""

from __future__ import annotations

import ctypes
import errno
import struct
from dataclasses import dataclass

from .linux import PR_SET_DUMPABLE, PR_SET_SECCOMP, prctl
from .syscalls import AUDIT_ARCH, machine, number

_ALLOW = 0x7FFF0000
_ERROR = 0x00050000
_X32 = 0x40000000
_FILTER_MODE = 2

_LOAD, _EQUAL, _AT_LEAST, _ANY_BIT, _RETURN = 0x20, 0x15, 0x35, 0x45, 0x06
_NUMBER_AT, _ARCHITECTURE_AT, _ARGUMENTS_AT = 0, 4, 16

_ALL_BITS = 0xFFFFFFFF
_NEW_NAMESPACES = 0x7E020000
_NOTIFY_OTHERS = (8, 10, 15)
"""F_SETOWN, F_SETSIG, F_SETOWN_EX: a descriptor could be made to signal a stranger."""
_LOCKS = (6, 7, 37, 38, 1024, 1026)
"""F_SETLK, F_SETLKW, F_OFD_SETLK, F_OFD_SETLKW, F_SETLEASE, F_NOTIFY: others see them on a file."""
_PASS_SENDER = (16, 34, 76)
"""SO_PASSCRED, SO_PASSSEC, SO_PASSPIDFD: a socket would get a name that others can send to."""
_MAP_SHARED = 0x1
_CLOCK_OF_A_PROCESS = 0x80000000
"""Clock ids below zero are those of processes and threads, anybody's included."""
_OTHER_THAN_CHILD_SIGNAL = 0xFF & ~17
"""A child's last word to its parent is SIGCHLD (17), or for a thread none: others end the parent,
with a wait status that looks like a limit's."""
_MORE_BUFFER = (7, 8, 32, 33)
"""SO_SNDBUF, SO_RCVBUF and the two that force: what lies in a buffer is nobody's memory."""
_PIPE_SIZE = 1031
_OWN_TERMINAL = (0x8901, 0x8902)
"""FIOSETOWN and SIOCSPGRP, the same through ioctl."""


@dataclass(frozen=True, slots=True)
class Rule:
    """Refuse a system call, always or only for some values of one argument."""

    name: str
    error: int = errno.EPERM
    argument: int = 0
    equal: tuple[int, ...] = ()
    any_bit: int = 0
    """Refused where the argument has one of these bits; both halves of it are looked at."""


GUEST: tuple[Rule, ...] = (
    *map(
        Rule,
        (
            *("ptrace", "process_vm_readv", "process_vm_writev", "process_madvise", "kcmp"),
            *("pidfd_getfd", "mount", "umount2", "pivot_root", "chroot", "fsopen", "fsmount"),
            *(
                "fsconfig",
                "fspick",
                "move_mount",
                "open_tree",
                "mount_setattr",
                "swapon",
                "swapoff",
            ),
            *("quotactl", "quotactl_fd", "unshare", "setns", "bpf", "perf_event_open", "keyctl"),
            *("add_key", "request_key", "userfaultfd", "io_uring_setup", "io_uring_enter"),
            *("io_uring_register", "kexec_load", "kexec_file_load", "init_module", "finit_module"),
            *("delete_module", "reboot", "acct", "syslog", "settimeofday", "clock_settime"),
            *("clock_adjtime", "adjtimex", "sethostname", "setdomainname", "open_by_handle_at"),
            *("name_to_handle_at", "fanotify_init", "inotify_init", "inotify_init1", "iopl"),
            *("ioperm", "modify_ldt", "lookup_dcookie", "nfsservctl", "vhangup", "personality"),
            *("socket", "memfd_create", "memfd_secret", "shmget", "msgget", "semget", "mq_open"),
            *("mbind", "set_mempolicy", "migrate_pages", "move_pages", "vmsplice", "capset"),
        ),
    ),
    Rule("clone", any_bit=_NEW_NAMESPACES),
    # Its flags lie in memory, where a filter cannot look; without it libc falls back to clone.
    Rule("clone3", error=errno.ENOSYS),
)
"""Networks, memory outside the limits, other processes' memory, and the kernel's own controls."""

PROGRAM: tuple[Rule, ...] = (
    *map(
        Rule,
        (
            *("kill", "tkill", "tgkill", "rt_sigqueueinfo", "rt_tgsigqueueinfo"),
            *("pidfd_send_signal", "pidfd_open", "process_mrelease", "timer_create", "setrlimit"),
            *("setsid", "setpgid", "execve", "execveat", "setpriority", "ioprio_set"),
            *("sched_setscheduler", "sched_setparam", "sched_setattr", "sched_setaffinity"),
            *("flock", "bind", "listen", "connect", "accept", "accept4"),
            *("utime", "utimes", "utimensat", "futimesat", "seccomp"),
        ),
    ),
    Rule("mmap", argument=3, any_bit=_MAP_SHARED),
    Rule("clone", any_bit=_OTHER_THAN_CHILD_SIGNAL),
    Rule("setsockopt", argument=2, equal=(*_PASS_SENDER, *_MORE_BUFFER)),
    *(
        Rule(name, any_bit=_CLOCK_OF_A_PROCESS)
        for name in ("clock_gettime", "clock_getres", "clock_nanosleep")
    ),
    Rule("prlimit64", argument=2, any_bit=_ALL_BITS),
    Rule("prctl", argument=0, equal=(PR_SET_DUMPABLE, PR_SET_SECCOMP)),
    Rule("fcntl", argument=1, equal=(*_NOTIFY_OTHERS, *_LOCKS, _PIPE_SIZE)),
    Rule("ioctl", argument=1, equal=_OWN_TERMINAL),
)
"""Signals, limits, priorities, sight of its memory, filters that kill, larger buffers, and running
anything but Python; locks, names, memory, times and clocks in which one program could read what
another one wrote."""


def install(rules: tuple[Rule, ...]) -> None:
    """Add a filter to this process and its future children. Needs no_new_privs.

    Raises:
        OSError: the kernel has no filters, or the machine is not in the table.
    """
    if machine() not in AUDIT_ARCH:
        raise OSError(errno.ENOSYS, f"no system call table for {machine()}")
    program = _program(rules)
    code = ctypes.create_string_buffer(program, len(program))
    head = struct.pack("HxxxxxxP", len(program) // 8, ctypes.addressof(code))
    description = ctypes.create_string_buffer(head, len(head))
    prctl(PR_SET_SECCOMP, _FILTER_MODE, ctypes.addressof(description))


def _program(rules: tuple[Rule, ...]) -> bytes:
    """Classic BPF: the machine first, then one block for each rule, then leave to proceed."""
    refused = _ERROR | errno.EPERM
    lines = [
        _line(_LOAD, _ARCHITECTURE_AT),
        _line(_EQUAL, AUDIT_ARCH[machine()], 1, 0),
        _line(_RETURN, refused),
        _line(_LOAD, _NUMBER_AT),
        # The 32-bit flavour of x86-64 has numbers of its own, that no rule here knows.
        _line(_AT_LEAST, _X32, 0, 1),
        _line(_RETURN, refused),
    ]
    for rule in rules:
        called = number(rule.name)
        if called < 0:
            continue
        block = _block(rule)
        lines += [_line(_EQUAL, called, 0, len(block)), *block]
    return b"".join([*lines, _line(_RETURN, _ALLOW)])


def _block(rule: Rule) -> list[bytes]:
    """What follows a rule's number; every way out of it returns or loads the number again."""
    refuse = _line(_RETURN, _ERROR | rule.error)
    low = _ARGUMENTS_AT + 8 * rule.argument
    if rule.equal:
        tests = [_line(_EQUAL, value, 0, 1) + refuse for value in rule.equal]
        return _lines(_line(_LOAD, low), *tests, _line(_LOAD, _NUMBER_AT))
    if rule.any_bit:
        halves = (low, low + 4) if rule.any_bit == _ALL_BITS else (low,)
        tests = [_line(_LOAD, at) + _line(_ANY_BIT, rule.any_bit, 0, 1) + refuse for at in halves]
        return _lines(*tests, _line(_LOAD, _NUMBER_AT))
    return [refuse]


def _lines(*parts: bytes) -> list[bytes]:
    joined = b"".join(parts)
    return [joined[at : at + 8] for at in range(0, len(joined), 8)]


def _line(code: int, value: int, if_true: int = 0, if_false: int = 0) -> bytes:
    return struct.pack("HBBI", code, if_true, if_false, value)
