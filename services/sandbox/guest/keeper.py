"""Keeps the states that wait to be forked: the root, from which all come, and those on the shelf.

A waiting state is silent and idle. One that says something, hangs up or uses the processor has
been broken by its own program and is ended. A guest that has lost its root ends: another root
would be a fork of a process that has seen steps, and not the fresh interpreter that it stands for.
"""

from __future__ import annotations

import selectors
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING

from . import processes
from .life import NO_FORK
from .protocol import ROOT_STATE, Settings
from .run import receive
from .shelf import Bounds, Shelf, State

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable

    from .run import Run

_SESSIONS_AT_LEAST = 2
"""How many sessions the memory of all states is shared by, however much one of them wants."""
_IDLE_BYTES = 16 * 1024 * 1024
"""By how much the memory of a state may grow, which does nothing but fork."""
_IDLE_CPU_SECONDS = 0.25
"""What a state may use between a fork and the next sweep that finds it waiting."""


class Keeper:
    """The waiting states. `on_event` hears which one spoke, and whether it refused to fork."""

    def __init__(
        self,
        settings: Settings,
        selector: selectors.BaseSelector,
        on_event: Callable[[State, bool], None],
        root: tuple[int, socket.socket],
        *,
        dying: processes.Dying,
    ) -> None:
        self._selector = selector
        self._on_event = on_event
        self._dying = dying
        self._shelf = Shelf(
            Bounds(
                session_states=settings.session_states,
                session_bytes=settings.state_bytes // _SESSIONS_AT_LEAST,
                guest_states=settings.guest_states,
                state_bytes=settings.state_bytes,
            )
        )
        pid, channel = root
        self._root = State((0, ROOT_STATE), pid, channel)
        self._selector.register(channel, selectors.EVENT_READ, partial(self._hear, self._root))
        self.has_root = True
        self.warm_bytes_mapped = processes.mapped_bytes(self._root.pid)
        self._warm_bytes_held = processes.anonymous_bytes(self._root.pid)

    def __len__(self) -> int:
        return len(self._shelf) + 1

    @property
    def pids(self) -> set[int]:
        return {self._root.pid, *(state.pid for state in self._shelf)}

    def use(self, session: int, number: int) -> State | None:
        """A state that is wanted, or None where it is not alive."""
        return self._root if number == ROOT_STATE else self._shelf.use((session, number))

    def keep(self, run: Run, *, cpu_seconds: float) -> None:
        """The process of a step that was ok waits from now on; others may have to go for it."""
        held = self.bytes_held(run.pid)
        key = (run.request.session, run.request.state)
        state = State(key, run.pid, run.channel, bytes_held=held, cpu_seconds=cpu_seconds)
        self._selector.modify(run.channel, selectors.EVENT_READ, partial(self._hear, state))
        for displaced in self._shelf.put(state):
            self.end(displaced)

    def end(self, state: State) -> None:
        """Kill a waiting state."""
        self._shelf.remove(state)
        self._dying.kill(state.pid)
        with suppress(KeyError, ValueError):
            self._selector.unregister(state.channel)
        state.channel.close()
        if state is self._root:
            self.has_root = False

    def end_session(self, session: int) -> None:
        for state in self._shelf.of_session(session):
            self.end(state)

    def bytes_held(self, pid: int) -> int:
        """Memory of a process beyond what the warm interpreter holds, an upper bound."""
        return max(0, processes.anonymous_bytes(pid) - self._warm_bytes_held)

    def sweep(self) -> None:
        """End the states that go on instead of waiting: whatever they take costs time first."""
        for state in self._shelf:
            used = processes.cpu_seconds(state.pid)
            busy = used - state.cpu_seconds > _IDLE_CPU_SECONDS
            if not state.forks_under_way and (
                busy or (used != state.cpu_seconds and not self.is_quiet(state))
            ):
                self.end(state)
            state.cpu_seconds = used

    def is_quiet(self, state: State) -> bool:
        """Whether a state has not taken anything since its step ended."""
        grown = self.bytes_held(state.pid) - state.bytes_held
        return grown <= _IDLE_BYTES and processes.is_alone(state.pid)

    def _hear(self, state: State) -> None:
        try:
            packet, _ = receive(state.channel)
        except BlockingIOError:
            return
        except OSError:
            packet = b""
        # A state can say that the kernel refused it a fork; only then is it to be believed.
        refused = packet == NO_FORK and not processes.can_fork()
        self._on_event(state, refused)
        if not refused:
            self.end(state)
