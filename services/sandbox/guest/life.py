"""What a state does: wait for the warden, fork, run a step in the fork, and wait again there.

A state is an interpreter whose names are those of the steps on its path. It never runs a second
step itself; the process that runs a step is a fork of its parent state and becomes the new state.

Programs run in this very process and can reach all that is in it. But no step decides what a later
one reports by what it patches here: the functions below are made anew for each step, from code and
values that cannot be changed (`pristine`), and `live`, which alone goes on, looks nothing up. So
they name C functions and constants, no class and no other Python function than these, and of
modules `sys` alone, whose streams are the program's to replace. A
token that each step gets keeps a report from passing for another step's.
"""

from __future__ import annotations

import _signal  # type: ignore[import-not-found]
import _socket
import _thread
import io
import os
import select
import struct
import sys
from typing import TYPE_CHECKING, NoReturn

from . import linux
from .step import (
    OK,
    OUT_OF_MEMORY,
    RAISED,
    outcome_of,
    pack_parts,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from .pristine import Parts

CHANNEL = 3
"""Where every state has its end of the channel to the warden."""
HELLO, FORK, NO_FORK = b"hello", b"fork", b"no fork"
TOKEN_BYTES = 16
MAX_PACKET_BYTES = 160 * 1024
OPEN_FILES = 64

_DESCRIPTORS = struct.Struct("ii")
_ORDER_LENGTH = struct.Struct(">I")
_BETWEEN = "\0"
"""Between plain steps; no plain step has one."""
_FOLDER_LINKS = 2
_TIMERS = (_signal.ITIMER_REAL, _signal.ITIMER_VIRTUAL, _signal.ITIMER_PROF)

_close, _dup2, _exit = os.close, os.dup2, os._exit
_fork, _getpid, _open, _pipe, _O_PATH = os.fork, os.getpid, os.open, os.pipe, os.O_PATH
_read, _waitpid, _WNOHANG = os.read, os.waitpid, os.WNOHANG
_set_handler, _set_timer, _SIGCHLD = _signal.signal, _signal.setitimer, _signal.SIGCHLD
_SIG_DFL, _SIG_IGN = _signal.SIG_DFL, _signal.SIG_IGN
_stat, _NOT_OPEN = os.stat, select.POLLNVAL
_count_threads, _StringIO = _thread._count, io.StringIO
_ancillary_bytes = _socket.CMSG_SPACE(_DESCRIPTORS.size)
_unpack_descriptors, _unpack_length = _DESCRIPTORS.unpack, _ORDER_LENGTH.unpack
_before_fork, _after_fork_in_parent, _after_fork_in_child = linux.around_fork
_clone, _clone_arguments = linux.clone_sibling
_prctl, _IN_EACH_FORK = linux.raw_prctl, linux.IN_EACH_FORK
_poller = select.poll()
for _number in range(CHANNEL + 1, OPEN_FILES):
    _poller.register(_number, 0)
_poll = _poller.poll
_ALL_CLOSED = tuple((number, _NOT_OPEN) for number in range(CHANNEL + 1, OPEN_FILES))


def live(
    parts: tuple[Parts, Parts],
    make_dict: Callable[..., dict[str, object]],
    make_function: Callable[..., object],
    channel: _socket.socket,
    namespace: dict[str, object],
    output: io.TextIOWrapper,
) -> NoReturn:
    """Serve the warden, in this process as the parent state and in each fork as the child.

    `parts` are those of `wait_and_fork` and of `take_turn`. They share nothing: hooks of a program
    run while a fork is made and see the first. Both are made as soon as a step is over and not in
    the fork, which would pay for each page that it touches.
    """
    while True:
        made = []
        for values, functions, builtin_values in parts:
            names = make_dict(values)
            names["__builtins__"] = make_dict(builtin_values)
            for name, code, defaults in functions:
                names[name] = make_function(code, names, name, defaults)
            made.append(names)
        waiting, turn = made
        descriptors = None
        while descriptors is None:
            descriptors = waiting["wait_and_fork"](channel)  # type: ignore[operator]
        turn["take_turn"](channel, descriptors, namespace, output)  # type: ignore[operator]


def wait_and_fork(channel: _socket.socket) -> tuple[int, int] | None:
    """Fork when the warden asks. Returns in the fork what it is to take over, else None."""
    descriptors = _wait_for_fork(channel)
    try:
        child = _fork_sibling()
    except OSError:
        channel.send(NO_FORK)
        child = -1
    if child == 0:
        return descriptors
    for descriptor in descriptors:
        _close(descriptor)
    return None


def take_turn(
    channel: _socket.socket,
    descriptors: tuple[int, int],
    namespace: dict[str, object],
    output: io.TextIOWrapper,
) -> None:
    """Take over a fork's channel, run its step, and end where it may not live on."""
    _adopt(*descriptors)
    channel.send(HELLO)
    token, before, code = _read_order(channel.recv(MAX_PACKET_BYTES))
    if before:
        _make_names(before, namespace)
    if not _take_step(channel, token, code, namespace, output):
        _exit(0)


def _wait_for_fork(channel: _socket.socket) -> tuple[int, int]:
    """The descriptors of the next child: its channel, and where its output goes."""
    data, extra, _, _ = channel.recvmsg(16, _ancillary_bytes)
    if data != FORK or not extra:
        _exit(0)
    new_channel, output = _unpack_descriptors(extra[0][2])
    return new_channel, output


def _fork_sibling() -> int:
    """Fork a process whose parent is this process's parent. Returns as `os.fork` does.

    With it every state is a child of the warden, which alone then learns how each one ended.
    """
    _before_fork()
    pid: int = _clone(*_clone_arguments)
    if pid == 0:
        _after_fork_in_child()
        return 0
    _after_fork_in_parent()
    if pid < 0:
        raise OSError("The kernel refused to fork.")
    return pid


def order(token: bytes, before: tuple[str, ...], code: str) -> bytes:
    """What a fork is told to run: plain steps that come before, then the step itself."""
    first = _BETWEEN.join(before).encode()
    return token + _ORDER_LENGTH.pack(len(first)) + first + code.encode("utf-8", "surrogatepass")


def _read_order(packet: bytes) -> tuple[bytes, list[str], str]:
    head = TOKEN_BYTES + 4
    (length,) = _unpack_length(packet[TOKEN_BYTES:head])
    code = packet[head + length :].decode("utf-8", "surrogatepass")
    before = packet[head : head + length].decode()
    return packet[:TOKEN_BYTES], before.split(_BETWEEN) if before else [], code


def _make_names(codes: list[str], namespace: dict[str, object]) -> None:
    """Run plain steps again, one by one as they ran first; their output has been told."""
    shown, sys.stdout = sys.stdout, _StringIO()
    for code in codes:
        outcome_of(code, namespace)
    sys.stdout = shown


def _adopt(new_channel: int, output: int) -> None:
    _dup2(new_channel, CHANNEL, inheritable=False)
    _dup2(output, 1)
    _dup2(output, 2)
    _close(new_channel)
    _close(output)
    # What the program forks and abandons stays below this process, where the warden finds it.
    for option, value in _IN_EACH_FORK:
        _prctl(option, value, 0, 0, 0)


def _take_step(
    channel: _socket.socket,
    token: bytes,
    code: str,
    namespace: dict[str, object],
    output: io.TextIOWrapper,
) -> bool:
    """Run the step and report it. Says whether this process may live on as a state."""
    out_of_memory = token + pack_parts((OUT_OF_MEMORY, "", "MemoryError", ""))
    process = _getpid()
    _set_handler(_SIGCHLD, _SIG_DFL)
    try:
        report = outcome_of(code, namespace)
        if _getpid() != process:
            _exit(0)  # A fork that the program made and that ran to the end of the step.
        # Before the flush, which calls streams of the program's own.
        packet, goes_on, old_self = token + pack_parts(report), report[0] == OK, -1
        _flush(output)
        if goes_on:
            try:
                old_self = _settle()
            except OSError as error:
                # As many threads are left as there may be processes: no fork can carry it on.
                why = (RAISED, "", "BlockingIOError", str(error))
                packet, goes_on = token + pack_parts(why), False
        channel.send(packet)
        if old_self >= 0:
            _close(old_self)
        return goes_on
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
    if _stat("/proc/self/task").st_nlink == _FOLDER_LINKS + 1 and not _count_threads():
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
    closed = _poll(0)
    if (*closed,) == _ALL_CLOSED:
        return
    free = {number for number, what in closed if what == _NOT_OPEN}
    still_open = [number for number in range(CHANNEL + 1, OPEN_FILES) if number not in free]
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
        try:  # noqa: SIM105 - `suppress` is a class, which a program can change
            stream.flush()
        except BaseException:  # noqa: S110
            pass
