"""The life of a state: wait for the warden, fork, run a step in the fork, and wait again there.

A state is an interpreter whose names are those of the steps on its path. It never runs a second
step itself; the process that runs a step is a fork of its parent state and becomes the new state.
Programs run in this very process, so nothing here is hidden from them. What keeps a report honest
as far as that goes is a token that each step gets; what a program can reach with it is its own
record and no other's.
"""

from __future__ import annotations

import _signal  # type: ignore[import-not-found]
import _socket
import _thread
import builtins
import io
import os
import resource
import select
import socket
import struct
import sys
import types
from contextlib import suppress
from pathlib import Path
from typing import NoReturn

from . import landlock, linux, pages, seccomp, sight, step

__builtins__ = dict(vars(builtins))  # type: ignore[assignment]

CHANNEL = 3
"""Where every state has its end of the channel to the warden."""
HELLO, FORK, NO_FORK = b"hello", b"fork", b"no fork"
TOKEN_BYTES = 16
MAX_PACKET_BYTES = 160 * 1024
MAX_FILES = 4096
"""Descriptors that the warden may have open."""

_DESCRIPTORS = struct.Struct("ii")
_LENGTH = struct.Struct(">I")
_BETWEEN = "\0"
"""Between plain steps; no plain step has one."""
_OPEN_FILES = 64
_FOLDER_LINKS = 2
_STACK_BYTES = 64 * 1024 * 1024
_TIMERS = (_signal.ITIMER_REAL, _signal.ITIMER_VIRTUAL, _signal.ITIMER_PROF)

# Captured, because a program may replace what the modules hold.
_close, _closerange, _dup2, _exit = os.close, os.closerange, os.dup2, os._exit
_fork, _getpid, _open, _pipe, _O_PATH = os.fork, os.getpid, os.open, os.pipe, os.O_PATH
_read, _waitpid, _WNOHANG = os.read, os.waitpid, os.WNOHANG
_set_handler, _set_timer, _SIGCHLD = _signal.signal, _signal.setitimer, _signal.SIGCHLD
_SIG_DFL, _SIG_IGN = _signal.SIG_DFL, _signal.SIG_IGN
_prctl, _fork_sibling = linux.prctl, linux.fork_sibling
_stat, _NOT_OPEN = os.stat, select.POLLNVAL
_run, _pack = step.run, step.pack


_poller = select.poll()
for _number in range(CHANNEL + 1, _OPEN_FILES):
    _poller.register(_number, 0)
_ALL_CLOSED = [(number, _NOT_OPEN) for number in range(CHANNEL + 1, _OPEN_FILES)]


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
    _dup2(channel, CHANNEL, inheritable=False)
    _closerange(CHANNEL + 1, MAX_FILES)
    null = os.open(os.devnull, os.O_RDWR)
    for standard in range(3):
        _dup2(null, standard)
    _close(null)
    _signal.set_wakeup_fd(-1)
    _set_handler(_SIGCHLD, _SIG_IGN)
    _prefer_for_killing()
    _limit_files()
    _deepen_stack()
    pages.gather()
    _hide_files(readable)
    _install_filter()
    output = _redirect_streams()
    # What goes wrong here is no text for the step's output; the warden sees the process end.
    with suppress(BaseException):
        _live(_fresh_namespace(), output)
    _exit(1)


def _live(namespace: dict[str, object], output: io.TextIOWrapper) -> NoReturn:
    """Serve the warden, in this process as the parent state and in each fork as the child."""
    channel = _socket.socket(fileno=CHANNEL)
    while True:
        descriptors = _wait_for_fork(channel)
        try:
            child = _fork_sibling()
        except OSError:
            channel.send(NO_FORK)
            child = -1
        if child != 0:
            for descriptor in descriptors:
                _close(descriptor)
            continue
        _adopt(*descriptors)
        channel.send(HELLO)
        packet = channel.recv(MAX_PACKET_BYTES)
        token, before, code = _read_order(packet)
        if before:
            _make_names(before, namespace)
        if not _take_step(channel, token, code, namespace, output):
            _exit(0)


def _wait_for_fork(channel: _socket.socket) -> tuple[int, int]:
    """The descriptors of the next child: its channel, and where its output goes."""
    data, extra, _, _ = channel.recvmsg(16, _socket.CMSG_SPACE(_DESCRIPTORS.size))
    if data != FORK or not extra:
        _exit(0)
    new_channel, output = _DESCRIPTORS.unpack(extra[0][2])
    return new_channel, output


def order(token: bytes, before: tuple[str, ...], code: str) -> bytes:
    """What a fork is told to run: plain steps that come before, then the step itself."""
    first = _BETWEEN.join(before).encode()
    return token + _LENGTH.pack(len(first)) + first + code.encode("utf-8", "surrogatepass")


def _read_order(packet: bytes) -> tuple[bytes, list[str], str]:
    head = TOKEN_BYTES + _LENGTH.size
    (length,) = _LENGTH.unpack(packet[TOKEN_BYTES:head])
    code = packet[head + length :].decode("utf-8", "surrogatepass")
    before = packet[head : head + length].decode()
    return packet[:TOKEN_BYTES], before.split(_BETWEEN) if before else [], code


def _make_names(codes: list[str], namespace: dict[str, object]) -> None:
    """Run plain steps again, one by one as they ran first; their output has been told."""
    shown, sys.stdout = sys.stdout, io.StringIO()
    for code in codes:
        _run(code, namespace)
    sys.stdout = shown


def _adopt(new_channel: int, output: int) -> None:
    _dup2(new_channel, CHANNEL, inheritable=False)
    _dup2(output, 1)
    _dup2(output, 2)
    _close(new_channel)
    _close(output)
    # What the program forks and abandons stays below this process, where the warden finds it.
    _prctl(linux.PR_SET_CHILD_SUBREAPER, 1)
    _prctl(linux.PR_SET_PDEATHSIG, _signal.SIGKILL)


def _take_step(
    channel: _socket.socket,
    token: bytes,
    code: str,
    namespace: dict[str, object],
    output: io.TextIOWrapper,
) -> bool:
    """Run the step and report it. Says whether this process may live on as a state."""
    out_of_memory = token + _pack(step.Report(step.OUT_OF_MEMORY, "", "MemoryError"))
    process = _getpid()
    _set_handler(_SIGCHLD, _SIG_DFL)
    try:
        report = _run(code, namespace)
        if _getpid() != process:
            _exit(0)  # A fork that the program made and that ran to the end of the step.
        _flush(output)
        old_self = -1
        if report.outcome == step.OK:
            try:
                old_self = _settle()
            except OSError as error:
                # As many threads are left as there may be processes: no fork can carry it on.
                report = step.Report(step.RAISED, "", "BlockingIOError", str(error))
        channel.send(token + _pack(report))
        if old_self >= 0:
            _close(old_self)
        return report.outcome == step.OK
    except MemoryError:
        channel.send(out_of_memory)
        return False


def _settle() -> int:
    """Take back what a step may have left running, so that a waiting state costs nothing.

    Threads end by one more fork, which carries over this thread alone. Returns the end of a pipe
    that the old process waits for, or -1 where there was no such need.
    """
    for timer in _TIMERS:
        _set_timer(timer, 0)
    _set_handler(_SIGCHLD, _SIG_IGN)
    try:
        while _waitpid(-1, _WNOHANG)[0]:
            pass
    except ChildProcessError:
        pass
    _bury_descriptors()
    # The task folder has a link for each thread; what it holds is hidden from programs.
    if _stat("/proc/self/task").st_nlink == _FOLDER_LINKS + 1 and not _thread._count():
        return -1
    waiting, held = _pipe()
    if _fork():
        _close(held)
        _read(waiting, 1)
        _exit(0)
    _close(waiting)
    return held


def _bury_descriptors() -> None:
    """Leave nothing open that the forks of this state would share: a file's place, a pipe.

    The numbers stay in use by what can be neither read nor written, so that an object of the
    program that still names one meets an error and never another file.
    """
    # Since Linux 6.2 the folder is as large as there are descriptors; before, or with what was
    # buried earlier, each is asked for.
    if _stat("/proc/self/fd").st_size == CHANNEL + 1:
        return
    closed = _poller.poll(0)
    if closed == _ALL_CLOSED:
        return
    free = {number for number, what in closed if what == _NOT_OPEN}
    still_open = [number for number in range(CHANNEL + 1, _OPEN_FILES) if number not in free]
    _close(still_open[0])
    dead = _open("/", _O_PATH)
    for number in still_open:
        if number != dead:
            _dup2(dead, number, inheritable=False)
    if dead not in still_open:
        _close(dead)


def _flush(output: io.TextIOWrapper) -> None:
    for stream in (sys.stdout, sys.stderr, output):
        # The program may have closed it, or replaced it by anything at all.
        with suppress(BaseException):
            stream.flush()


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
    resource.setrlimit(resource.RLIMIT_NOFILE, (_OPEN_FILES, _OPEN_FILES))
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
