"""The guest's main process: hands steps to states, holds them to their limits, answers the host.

It runs no program itself. Every state is its child, every step has a channel and an output pipe of
its own, and a result is believed only from the channel, with the step's token on it. A step ends in
exactly one reply: its report, its limit, its death, or the loss of the state it started from.
"""

from __future__ import annotations

import os
import selectors
import signal
import time
from contextlib import suppress
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, NoReturn

from . import processes, step
from .deaths import Death, KernelKills, broken, out_of_memory, reap, timed_out
from .keeper import Keeper
from .life import HELLO
from .plain_states import PlainStates
from .processes import Allowance
from .protocol import MAX_CODE_BYTES, PATIENCE, ROOT_STATE, Op, Reply, Request, Settings, Status
from .run import Run, receive

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable

    from .host import HostLink
    from .shelf import State

_RETRY_SECONDS = 0.005
"""How soon replies that the host did not take are offered again."""
_OWED_SECONDS = 0.02
"""A step that was kept waiting for less than this has had its wall time."""
_SWEEP_SECONDS = 1.0
_LOOK_SECONDS = 0.1


class Warden:
    def __init__(self, settings: Settings, host: HostLink, root: tuple[int, socket.socket]) -> None:
        self._settings = settings
        self._host = host
        self._selector = selectors.DefaultSelector()
        self._limiter = processes.Limiter()
        self._kernel_kills = KernelKills()
        self._runs: list[Run] = []
        self._next_sweep = 0.0
        self._strays_due = False
        self._wakeup, written = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        signal.set_wakeup_fd(written, warn_on_full_buffer=False)
        self._selector.register(self._wakeup, selectors.EVENT_READ, self._reap)
        self._dying = processes.Dying()
        self._have_forked: set[State] = set()
        self._keeper = Keeper(
            settings, self._selector, self._on_state_event, root, dying=self._dying
        )
        self._plain = PlainStates(settings.plain_states, settings.output_bytes)

    def serve(self) -> NoReturn:
        """Answer the host until it hangs up or the root is lost, then end every process."""
        self._selector.register(self._host.inbound, selectors.EVENT_READ, self._listen)
        while self._host.connected and self._keeper.has_root:
            for key, _ in self._selector.select(self._patience()):
                # An event before this one may have closed or handed on what this one is about.
                if self._selector.get_map().get(key.fd) is key:
                    handle: Callable[[], None] = key.data
                    handle()
            self._enforce()
            self._host.flush()
        for pid in self._keeper.pids | self._running_pids():
            processes.kill(pid)
        processes.kill_strays((), (), self._dying)
        os._exit(0)

    def _listen(self) -> None:
        for request in self._host.receive():
            match request.op:
                case Op.RUN:
                    self._start(request)
                    continue
                case Op.FIND:
                    self._find(request)
                    continue
                case Op.STOP:
                    self._give_up([run for run in self._runs if run.request.id == request.state])
                case Op.CLOSE:
                    session = request.session
                    self._give_up([run for run in self._runs if run.request.session == session])
                    self._keeper.end_session(session)
                    self._plain.end_session(session)
            self._host.send(Reply(request.id, Status.DONE))

    def _start(self, request: Request) -> None:
        before = self._plain.use(request.session, request.parent)
        reply = self._plain.serve(request, before) if before else None
        if reply is not None:
            self._host.send(reply)
            return
        number = ROOT_STATE if before else request.parent
        parent = self._keeper.use(request.session, number)
        size = len(request.code.encode("utf-8", "surrogatepass"))
        if parent is None:
            self._host.send(Reply(request.id, Status.MISSING))
        elif size > MAX_CODE_BYTES:
            message = f"The code is {size} bytes long; a step has at most {MAX_CODE_BYTES}."
            reply = Reply(request.id, Status.DONE, outcome=step.RAISED)
            self._host.send(replace(reply, exception_type="SyntaxError", exception_message=message))
        else:
            self._begin(request, parent, before.codes if before else ())

    def _begin(self, request: Request, parent: State, codes: tuple[str, ...]) -> None:
        if parent.bred:
            self._limiter.let_fork(parent.pid, self._allowance(more=1).tasks)
        try:
            run = Run.begin(request, parent, codes, output_bytes=self._settings.output_bytes)
        except OSError as error:
            self._host.send(Reply(request.id, Status.FAILED, detail=str(error)))
            return
        self._runs.append(run)
        for source, handle in ((run.channel, self._on_channel), (run.output, self._on_output)):
            self._selector.register(source, selectors.EVENT_READ, partial(handle, run))

    def _find(self, request: Request) -> None:
        alive = (number for number in request.candidates if self._lives(request.session, number))
        self._host.send(Reply(request.id, Status.DONE, found=next(alive, ROOT_STATE)))

    def _lives(self, session: int, number: int) -> bool:
        return bool(self._plain.use(session, number) or self._keeper.use(session, number))

    def _on_channel(self, run: Run) -> None:
        try:
            packet, sender = receive(run.channel)
        except BlockingIOError:
            return
        except OSError:
            packet, sender = b"", 0
        if packet and run.pid:
            self._on_report(run, packet, sender)
        elif packet:
            self._on_hello(run, packet, sender)
        elif run.pid:
            # `_reap` will tell how the process ended, unless it lives on without its channel.
            self._selector.unregister(run.channel)
            run.hang_up()
        else:
            self._lose_parent(run, "its fork ended before the step began")

    def _on_hello(self, run: Run, packet: bytes, pid: int) -> None:
        if packet != HELLO or self._is_known(pid):
            self._lose_parent(run, "its fork did not say hello")
            return
        run.parent.cpu_seconds = processes.cpu_seconds(run.parent.pid)
        run.pid = pid
        self._end_greedy_states()
        self._end_forking(run.parent)
        limits = self._settings
        try:
            self._limiter.restrain(pid, self._allowance())
            run.set_going(wall_seconds=limits.wall_seconds, cpu_seconds=limits.cpu_seconds)
        except OSError:
            self._lose_parent(run, "its fork ended before the step began")

    def _end_forking(self, state: State) -> None:
        """A fork is born, or will never be: the state gets nothing else from now on."""
        state.forks_under_way -= 1
        if state.bred and not state.forks_under_way:
            self._limiter.hold(state.pid)
            self._have_forked.add(state)

    def _end_greedy_states(self) -> None:
        """End the states that began something else while they might fork.

        What they were just about to have when they were held is there only some time later, so
        they are looked at when the next step begins, whose share they must not take.
        """
        for state in self._have_forked:
            if not state.forks_under_way and not processes.is_alone(state.pid):
                self._keeper.end(state)
                self._kill_strays()
        self._have_forked.clear()

    def _on_report(self, run: Run, packet: bytes, sender: int) -> None:
        report = run.read_report(packet)
        if report is None or (sender != run.pid and self._is_known(sender)):
            self._finish(run, broken("The program wrote to the guest's channel."))
            return
        # A process that shed its threads reports as its own fork.
        changed, run.pid = sender != run.pid, sender
        left_something = changed or processes.has_children(run.pid)
        used = processes.cpu_seconds(run.pid)
        if report.outcome == step.OK:
            self._limiter.rest(run.pid, self._allowance())
            self._put_away(run, keep_channel=True)
            self._keeper.keep(run, cpu_seconds=used)
        else:
            self._put_away(run, keep_channel=False)
            self._dying.kill(run.pid)
        if left_something:
            self._kill_strays()
        self._answer(run, report, used)

    def _on_output(self, run: Run) -> None:
        if not run.read_output():
            self._selector.unregister(run.output)

    def _on_state_event(self, state: State, refused: bool) -> None:
        """A state that is being forked spoke up, which leaves its forks unborn."""
        # The kernel refuses a fork for want of something that is not the program's to give.
        status = Status.FAILED if refused or not state.bred else Status.LOST
        for run in [run for run in self._runs if run.parent is state and not run.pid]:
            self._put_away(run, keep_channel=False)
            self._host.send(Reply(run.request.id, status, detail="it did not fork"))

    def _enforce(self) -> None:
        now = time.monotonic()
        for run in tuple(self._runs):
            if now >= run.deadline:
                self._on_deadline(run)
            elif run.pid and now >= run.next_look:
                self._look_at(run, now)
        if self._strays_due:
            self._kill_strays()
        if now >= self._next_sweep:
            self._keeper.sweep()
            self._dying.sweep()
            self._kill_strays()
            self._next_sweep = now + _SWEEP_SECONDS

    def _look_at(self, run: Run, now: float) -> None:
        """End a step that has used up its processor time or memory, its children's included."""
        used = processes.cpu_seconds(run.pid)
        held = 0
        if processes.has_children(run.pid):
            below = processes.descendants(run.pid)
            used += sum(processes.cpu_seconds(child) for child, _ in below)
            held = self._keeper.bytes_held(run.pid) + sum(
                # What a child has from its parent is one memory until either changes it.
                max(0, processes.anonymous_bytes(child) - processes.anonymous_bytes(parent))
                for child, parent in below
            )
        left = self._settings.cpu_seconds - used
        run.next_look = now + max(0.05, min(_LOOK_SECONDS, left / 2))
        if left <= 0:
            self._finish(run, timed_out("processor"))
        elif held > self._settings.memory_bytes:
            self._finish(run, out_of_memory("The processes of the step hold too much together."))

    def _on_deadline(self, run: Run) -> None:
        if not run.pid:
            starved = processes.starved_seconds(run.parent.pid)
            if not run.wait_for_fork(starved):
                self._lose_parent(run, "it did not fork")
        elif run.hung_up:
            self._finish(run, broken("The program closed the guest's channel."))
        else:
            self._on_wall_time(run)

    def _on_wall_time(self, run: Run) -> None:
        """End a step that is slow; one that was kept waiting gets the time that it is owed.

        A right step must not be called slow because its machine is busy. One that still has not had
        its time after `PATIENCE` limits is nobody's fault but the machine's.
        """
        limit = self._settings.wall_seconds
        elapsed = time.monotonic() - run.started
        owed = limit - (elapsed - processes.starved_seconds(run.pid))
        if owed < _OWED_SECONDS:
            self._finish(run, timed_out("wall"))
        elif elapsed < PATIENCE * limit:
            run.deadline = min(run.started + PATIENCE * limit, run.deadline + owed)
        else:
            self._give_up([run], "the machine is too busy to give a step its time")

    def _reap(self) -> None:
        with suppress(BlockingIOError):
            os.read(self._wakeup, 4096)
        for death in reap():
            self._dying.forget(death.pid)
            for run in [run for run in self._runs if run.pid == death.pid]:
                self._on_death(run, death)

    def _on_death(self, run: Run, death: Death) -> None:
        if not run.hung_up:
            # The report of a process that shed its threads arrives before its old self ends.
            self._on_channel(run)
        if run not in self._runs or run.pid != death.pid:
            return
        report = death.report(
            cpu_limit=self._settings.cpu_seconds,
            kernel_kills=death.was_killed and self._kernel_kills.any_new(),
        )
        self._end_processes(run)
        status = Status.KILLED if death.was_killed else Status.DONE
        self._answer(run, report, death.cpu_seconds, status)

    def _finish(self, run: Run, report: step.Report) -> None:
        """End a step that failed, with all its processes, and tell the host."""
        used = processes.cpu_seconds(run.pid)
        self._end_processes(run)
        self._answer(run, report, used)

    def _answer(
        self, run: Run, report: step.Report, cpu_seconds: float, status: Status = Status.DONE
    ) -> None:
        reply = run.reply(report, cpu_seconds, self._settings.output_bytes)
        self._host.send(replace(reply, status=status))

    def _give_up(self, runs: list[Run], why: str = "the host gave the step up") -> None:
        """End steps about whose programs nothing is known."""
        for run in runs:
            self._end_processes(run)
            self._host.send(Reply(run.request.id, Status.FAILED, detail=why))

    def _lose_parent(self, run: Run, why: str) -> None:
        """The state that was to be forked is broken; only its own program can have done that.

        Where it is the root, the guest ends and another one takes its place.
        """
        self._keeper.end(run.parent)
        self._end_processes(run)
        status = Status.LOST if run.parent.bred else Status.FAILED
        self._host.send(Reply(run.request.id, status, detail=why))

    def _end_processes(self, run: Run) -> None:
        self._put_away(run, keep_channel=False)
        if run.pid:
            self._dying.kill(run.pid)
        self._kill_strays()

    def _put_away(self, run: Run, *, keep_channel: bool) -> None:
        """Forget a run. What it printed until now is read first."""
        run.read_output()
        self._runs.remove(run)
        if not run.pid:
            self._end_forking(run.parent)
        with suppress(KeyError):
            self._selector.unregister(run.output)
        os.close(run.output)
        if not keep_channel:
            with suppress(KeyError):
                self._selector.unregister(run.channel)
            run.channel.close()

    @property
    def _share(self) -> int:
        """Processes and threads that one step may have, its own process included."""
        return self._settings.processes + 1

    def _allowance(self, *, more: int = 0) -> Allowance:
        """The limits of one step, beside what all other processes of the guest may have.

        `more` steps are about to begin.
        """
        steps = len(self._runs) + more
        return Allowance(
            address_space=self._keeper.warm_bytes_mapped + self._settings.memory_bytes,
            cpu_seconds=self._settings.cpu_seconds,
            tasks=1 + len(self._keeper) + steps * self._share + self._dying.tasks,
        )

    def _kill_strays(self) -> None:
        """Kill what no state and no running step owns, as soon as no fork is on its way.

        A newborn state looks like an abandoned process until it has said hello.
        """
        self._strays_due = any(not run.pid for run in self._runs)
        if not self._strays_due:
            processes.kill_strays(self._keeper.pids, self._running_pids(), self._dying)

    def _is_known(self, pid: int) -> bool:
        """Whether a sender is no process of the step: the guest's own, or none that has a name."""
        return not pid or pid in {os.getpid(), *self._keeper.pids, *self._running_pids()}

    def _running_pids(self) -> set[int]:
        return {run.pid for run in self._runs if run.pid}

    def _patience(self) -> float:
        """Seconds until something has to be enforced."""
        times = [self._next_sweep, *(run.deadline for run in self._runs)]
        times += [run.next_look for run in self._runs if run.pid]
        if self._host.has_unsent:
            times.append(time.monotonic() + _RETRY_SECONDS)
        return max(0.0, min(times) - time.monotonic())
