"""The guest's main process: hands steps to states, holds them to their limits, answers the host.

It runs no program itself. Every state is its child, every step has a channel and an output pipe of
its own, and a result is believed only from the channel, with the step's token on it. A step ends in
exactly one reply: its report, its limit, its death, or the loss of the state it started from.
"""

from __future__ import annotations

import os
import secrets
import selectors
import signal
import socket
import struct
import time
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, NoReturn

from . import processes, step
from .processes import Allowance
from .protocol import MAX_CODE_BYTES, ROOT_STATE, Op, Reply, Request, Settings, Status
from .shelf import Bounds, Shelf, State
from .state import FORK, HELLO, MAX_PACKET_BYTES, NO_FORK, TOKEN_BYTES, become_first

if TYPE_CHECKING:
    from collections.abc import Callable

    from .host import HostLink

_FORK_SECONDS = 3.0
_STATUS_SECONDS = 0.1
"""How long a closed channel may wait for the news that its process has ended."""
_OWED_SECONDS = 0.02
"""A step that was kept waiting for less than this has had its wall time."""
_SWEEP_SECONDS = 1.0
_IDLE_CPU_SECONDS = 0.25
"""What a waiting state may use between two sweeps; a fork costs it some milliseconds."""
_RETRY_SECONDS = 0.005
"""How soon replies that the host did not take are offered again."""
_CREDENTIALS = struct.Struct("3i")


@dataclass(slots=True, eq=False)
class Run:
    """A step in flight. Its process is known once it has said hello."""

    request: Request
    parent: State
    channel: socket.socket
    output: int
    deadline: float
    token: bytes = field(default_factory=lambda: secrets.token_bytes(TOKEN_BYTES))
    pid: int = 0
    started: float = 0.0
    next_look: float = 0.0
    """When the processor time is to be looked at."""
    closed: bool = False
    printed: bytearray = field(default_factory=bytearray)
    printed_more: bool = False


class Warden:
    def __init__(self, settings: Settings, host: HostLink) -> None:
        self._settings = settings
        self._host = host
        self._selector = selectors.DefaultSelector()
        self._limiter = processes.Limiter()
        self._shelf = Shelf(
            Bounds(settings.session_states, settings.guest_states, settings.state_bytes)
        )
        self._runs: list[Run] = []
        self._next_sweep = 0.0
        self._wakeup, written = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        signal.set_wakeup_fd(written, warn_on_full_buffer=False)
        self._selector.register(self._wakeup, selectors.EVENT_READ, self._reap)
        self._root = self._fork_root()
        self._warm_mapped = processes.mapped_bytes(self._root.pid)
        self._warm_resident = processes.resident_bytes(self._root.pid)

    def serve(self) -> NoReturn:
        """Answer the host until it hangs up, then end every process."""
        self._selector.register(self._host.inbound, selectors.EVENT_READ, self._listen)
        while self._host.connected:
            for key, _ in self._selector.select(self._patience()):
                # An event before this one may have closed or handed on what this one is about.
                if self._selector.get_map().get(key.fd) is key:
                    handle: Callable[[], None] = key.data
                    handle()
            self._enforce()
            self._host.flush()
        for pid in self._state_pids() | self._running_pids():
            processes.kill(pid)
        processes.kill_strays((), ())
        os._exit(0)

    def _listen(self) -> None:
        for request in self._host.receive():
            match request.op:
                case Op.RUN:
                    self._start(request)
                case Op.FIND:
                    self._find(request)
                case Op.STOP:
                    self._stop(request)
                case Op.CLOSE:
                    self._close_session(request)

    def _start(self, request: Request) -> None:
        parent = self._root
        if request.parent != ROOT_STATE:
            found = self._shelf.use((request.session, request.parent))
            if found is None:
                self._host.send(Reply(request.id, Status.MISSING))
                return
            parent = found
        near, far = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        near.setsockopt(socket.SOL_SOCKET, socket.SO_PASSCRED, 1)
        near.setblocking(False)
        output, printing = os.pipe()
        os.set_blocking(output, False)
        run = Run(request, parent, near, output, time.monotonic() + _FORK_SECONDS)
        self._runs.append(run)
        parent.forks_under_way += 1
        self._selector.register(near, selectors.EVENT_READ, partial(self._on_channel, run))
        self._selector.register(output, selectors.EVENT_READ, partial(self._on_output, run))
        try:
            socket.send_fds(parent.channel, [FORK], [far.fileno(), printing])
        except OSError:
            self._lose_parent(run, "it does not read its channel")
        finally:
            far.close()
            os.close(printing)

    def _on_channel(self, run: Run) -> None:
        if run.closed:
            return
        try:
            packet, sender = _receive(run.channel)
        except BlockingIOError:
            return
        if not packet:
            self._on_hang_up(run)
        elif not run.pid:
            self._on_hello(run, packet, sender)
        else:
            self._on_report(run, packet, sender)

    def _on_hello(self, run: Run, packet: bytes, pid: int) -> None:
        known = self._state_pids() | self._running_pids()
        if packet != HELLO or pid in known or pid == os.getpid():
            self._lose_parent(run, "its fork did not say hello")
            return
        run.pid = pid
        run.parent.forks_under_way -= 1
        code = run.request.code.encode("utf-8", "surrogatepass")
        if len(code) > MAX_CODE_BYTES:
            message = f"The code is {len(code)} bytes long; a step has at most {MAX_CODE_BYTES}."
            self._fail(run, step.RAISED, "SyntaxError", message)
            return
        try:
            self._limiter.restrain(pid, self._allowance())
            run.channel.send(run.token + code)
        except OSError:
            self._lose_parent(run, "its fork ended before the step began")
            return
        run.started = time.monotonic()
        run.deadline = run.started + self._settings.wall_seconds
        run.next_look = run.started + self._settings.cpu_seconds / 2

    def _on_report(self, run: Run, packet: bytes, sender: int) -> None:
        report = step.unpack(packet[TOKEN_BYTES:])
        if report is None or not secrets.compare_digest(packet[:TOKEN_BYTES], run.token):
            self._fail(run, step.RAISED, "ProcessDied", "The program wrote to the guest's channel.")
            return
        reporter_changed, run.pid = sender != run.pid, sender
        keep = report.outcome == step.OK
        if keep and (reporter_changed or processes.has_children(run.pid)):
            self._kill_strays()
        self._finish(run, report, keep=keep)

    def _on_hang_up(self, run: Run) -> None:
        """The channel is closed: the process has ended, which `_reap` will tell, or it lives on."""
        if not run.pid:
            self._lose_parent(run, "its fork ended before the step began")
            return
        self._selector.unregister(run.channel)
        run.closed = True
        run.deadline = min(run.deadline, time.monotonic() + _STATUS_SECONDS)

    def _on_output(self, run: Run) -> None:
        """Keep what fits and throw the rest away, so that a program never waits for its reader."""
        try:
            printed = os.read(run.output, 1 << 16)
        except BlockingIOError:
            return
        if not printed:
            with suppress(KeyError):
                self._selector.unregister(run.output)
            return
        room = self._settings.output_bytes - len(run.printed)
        run.printed += printed[:room]
        run.printed_more |= len(printed) > room

    def _enforce(self) -> None:
        now = time.monotonic()
        for run in tuple(self._runs):
            if now >= run.deadline:
                self._on_deadline(run)
            elif run.pid and now >= run.next_look:
                used = processes.cpu_seconds(run.pid)
                left = self._settings.cpu_seconds - used
                if left <= 0:
                    self._fail(run, step.TIMED_OUT, message="The step passed its processor time.")
                run.next_look = now + max(0.05, left / 2)
        if now >= self._next_sweep:
            self._sweep()
            self._next_sweep = now + _SWEEP_SECONDS

    def _on_deadline(self, run: Run) -> None:
        if not run.pid:
            self._lose_parent(run, "it did not fork")
        elif run.closed:
            self._fail(run, step.RAISED, "ProcessDied", "The program closed the guest's channel.")
        else:
            self._on_wall_time(run)

    def _on_wall_time(self, run: Run) -> None:
        """End a step that is slow; one that was kept waiting gets the time that it is owed.

        A right step must not be called slow because its machine is busy. One that still has not had
        its time after twice the limit is nobody's fault but the machine's.
        """
        limit = self._settings.wall_seconds
        elapsed = time.monotonic() - run.started
        owed = limit - (elapsed - processes.starved_seconds(run.pid))
        if owed < _OWED_SECONDS:
            self._fail(run, step.TIMED_OUT, message="The step passed its wall time.")
        elif elapsed < 2 * limit:
            run.deadline = min(run.started + 2 * limit, run.deadline + owed)
        else:
            self._end_process(run)
            detail = "the machine is too busy to give a step its time"
            self._host.send(Reply(run.request.id, Status.FAILED, detail=detail))

    def _end_process(self, run: Run) -> None:
        self._put_away(run, keep_channel=False)
        processes.kill(run.pid)
        self._kill_strays()

    def _reap(self) -> None:
        with suppress(BlockingIOError):
            os.read(self._wakeup, 4096)
        with suppress(ChildProcessError):
            while True:
                pid, status = os.waitpid(-1, os.WNOHANG)
                if not pid:
                    return
                for run in tuple(self._runs):
                    if run.pid == pid:
                        self._on_death(run, pid, status)

    def _on_death(self, run: Run, pid: int, status: int) -> None:
        if not run.closed:
            # The report of a process that shed its threads arrives before its old self ends.
            self._on_channel(run)
        if run not in self._runs or run.pid != pid:
            return
        if not os.WIFSIGNALED(status):
            message = f"The process exited with status {os.WEXITSTATUS(status)}."
            self._fail(run, step.RAISED, "ProcessDied", message)
        elif os.WTERMSIG(status) == signal.SIGXCPU:
            self._fail(run, step.TIMED_OUT, message="The step passed its processor time.")
        elif os.WTERMSIG(status) == signal.SIGKILL:
            # The warden itself did not kill it and no program can: the kernel ran out of memory.
            message = "The kernel ended the process for want of memory."
            self._fail(run, step.OUT_OF_MEMORY, "MemoryError", message)
        else:
            name = signal.Signals(os.WTERMSIG(status)).name
            self._fail(run, step.RAISED, "ProcessDied", f"The process was killed by {name}.")

    def _fail(self, run: Run, outcome: str, kind: str = "", message: str = "") -> None:
        report = step.Report(outcome, exception_type=kind, exception_message=message)
        self._finish(run, report, keep=False)

    def _finish(self, run: Run, report: step.Report, *, keep: bool) -> None:
        wall = time.monotonic() - run.started if run.started else 0.0
        used = processes.cpu_seconds(run.pid)
        self._on_output(run)
        if keep:
            self._put_away(run, keep_channel=True)
            self._keep(run, used)
        else:
            self._end_process(run)
        value = report.value[: self._settings.output_bytes]
        reply = Reply(
            id=run.request.id,
            status=Status.DONE,
            outcome=report.outcome,
            stdout=run.printed.decode("utf-8", "replace"),
            value=value,
            exception_type=report.exception_type,
            exception_message=report.exception_message,
            truncated=run.printed_more or len(value) < len(report.value),
            wall_seconds=wall,
            cpu_seconds=used,
        )
        self._host.send(reply)

    def _keep(self, run: Run, used: float) -> None:
        held = max(0, processes.resident_bytes(run.pid) - self._warm_resident)
        key = (run.request.session, run.request.state)
        state = State(key, run.pid, run.channel, bytes_held=held, cpu_seconds=used)
        self._limiter.release(run.pid)
        self._watch(state)
        for displaced in self._shelf.put(state):
            self._end(displaced)

    def _watch(self, state: State) -> None:
        """A waiting state has nothing to say, so whatever comes on its channel ends it."""
        try:
            self._selector.modify(
                state.channel, selectors.EVENT_READ, partial(self._on_idle, state)
            )
        except KeyError:
            self._selector.register(
                state.channel, selectors.EVENT_READ, partial(self._on_idle, state)
            )

    def _on_idle(self, state: State) -> None:
        try:
            packet, _ = _receive(state.channel)
        except OSError:
            packet = b""
        # The kernel refuses a fork for want of something that is not the program's to give.
        status = Status.FAILED if packet == NO_FORK else Status.LOST
        for run in tuple(self._runs):
            if run.parent is state and not run.pid:
                self._put_away(run, keep_channel=False)
                self._host.send(Reply(run.request.id, status, detail="a state did not fork"))
        if status is Status.LOST:
            self._end(state)

    def _lose_parent(self, run: Run, why: str) -> None:
        """The state that was to be forked is broken; only its own program can have done that."""
        self._put_away(run, keep_channel=False)
        if run.pid:
            processes.kill(run.pid)
        self._end(run.parent)
        self._kill_strays()
        self._host.send(Reply(run.request.id, Status.LOST, detail=why))

    def _put_away(self, run: Run, *, keep_channel: bool) -> None:
        self._runs.remove(run)
        if not run.pid:
            run.parent.forks_under_way -= 1
        with suppress(KeyError):
            self._selector.unregister(run.output)
        os.close(run.output)
        if not keep_channel:
            with suppress(KeyError, ValueError):
                self._selector.unregister(run.channel)
            run.channel.close()

    def _end(self, state: State) -> None:
        """Kill a waiting state. The root is replaced at once."""
        self._shelf.remove(state)
        processes.kill(state.pid)
        with suppress(KeyError, ValueError):
            self._selector.unregister(state.channel)
        state.channel.close()
        if state is self._root:
            self._root = self._fork_root()

    def _sweep(self) -> None:
        """Look after what a program may have left behind in spite of everything."""
        for state in self._shelf:
            used = processes.cpu_seconds(state.pid)
            if used - state.cpu_seconds > _IDLE_CPU_SECONDS and not state.forks_under_way:
                self._end(state)
            state.cpu_seconds = used
        self._kill_strays()

    def _find(self, request: Request) -> None:
        alive = (
            state
            for state in request.candidates
            if self._shelf.use((request.session, state)) is not None
        )
        self._host.send(Reply(request.id, Status.DONE, found=next(alive, ROOT_STATE)))

    def _stop(self, request: Request) -> None:
        for run in tuple(self._runs):
            if run.request.id == request.state:
                self._fail(run, step.TIMED_OUT, message="The host gave the step up.")
        self._host.send(Reply(request.id, Status.DONE))

    def _close_session(self, request: Request) -> None:
        for run in tuple(self._runs):
            if run.request.session == request.session:
                self._fail(run, step.TIMED_OUT, message="The session was closed.")
        for state in self._shelf.of_session(request.session):
            self._end(state)
        self._host.send(Reply(request.id, Status.DONE))

    def _fork_root(self) -> State:
        near, far = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        near.setblocking(False)
        pid = os.fork()
        if pid == 0:
            become_first(far.fileno())
        far.close()
        root = State((0, ROOT_STATE), pid, near)
        self._watch(root)
        return root

    def _allowance(self) -> Allowance:
        """The limits of one step, beside what all other processes of the guest may have."""
        others = 2 + len(self._shelf) + len(self._runs) * (self._settings.processes + 1)
        return Allowance(
            address_space=self._warm_mapped + self._settings.memory_bytes,
            cpu_seconds=self._settings.cpu_seconds,
            tasks=others,
        )

    def _kill_strays(self) -> None:
        processes.kill_strays(self._state_pids(), self._running_pids())

    def _state_pids(self) -> set[int]:
        return {self._root.pid, *(state.pid for state in self._shelf)}

    def _running_pids(self) -> set[int]:
        return {run.pid for run in self._runs if run.pid}

    def _patience(self) -> float:
        """Seconds until something has to be enforced."""
        times = [self._next_sweep, *(run.deadline for run in self._runs)]
        times += [run.next_look for run in self._runs if run.pid]
        if self._host.has_unsent:
            times.append(time.monotonic() + _RETRY_SECONDS)
        return max(0.0, min(times) - time.monotonic())


def _receive(channel: socket.socket) -> tuple[bytes, int]:
    """A packet and the pid of who sent it, by the kernel's word; an empty one at the end."""
    packet, extra, _, _ = channel.recvmsg(MAX_PACKET_BYTES, socket.CMSG_SPACE(_CREDENTIALS.size))
    for level, kind, data in extra:
        if level == socket.SOL_SOCKET and kind == socket.SCM_CREDENTIALS:
            return packet, int(_CREDENTIALS.unpack(data)[0])
    return packet, 0
