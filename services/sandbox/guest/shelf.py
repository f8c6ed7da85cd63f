"""Which states are alive, and which one goes when there are too many.

The least recently used state goes first: a search comes back to the states it has just made, and
one that went is made again by running its steps. Waiting states are bounded in number and memory
for each session and for the guest; a session that has more than its share displaces its own.
"""

from __future__ import annotations

from collections import Counter, OrderedDict
from dataclasses import dataclass
from typing import TYPE_CHECKING

from .protocol import ROOT_STATE

if TYPE_CHECKING:
    import socket
    from collections.abc import Iterator

Key = tuple[int, int]
"""Session and state."""


@dataclass(slots=True, eq=False)
class State:
    """A process that waits to be forked."""

    key: Key
    pid: int
    channel: socket.socket
    bytes_held: int = 0
    """Memory beyond what the warm interpreter holds, an upper bound."""
    cpu_seconds: float = 0.0
    """What it had used when it was last looked at."""
    forks_under_way: int = 0

    @property
    def bred(self) -> bool:
        """Whether a program made it; what happens to the root is no program's doing."""
        return self.key[1] != ROOT_STATE


@dataclass(frozen=True, slots=True)
class Bounds:
    session_states: int
    session_bytes: int
    guest_states: int
    state_bytes: int


class Shelf:
    """The waiting states by session and id, in order of use."""

    def __init__(self, bounds: Bounds) -> None:
        self._bounds = bounds
        self._states: OrderedDict[Key, State] = OrderedDict()
        self._of_session: Counter[int] = Counter()
        self._bytes_held: Counter[int] = Counter()
        """By session."""

    def __len__(self) -> int:
        return len(self._states)

    def __iter__(self) -> Iterator[State]:
        return iter(tuple(self._states.values()))

    def use(self, key: Key) -> State | None:
        """The state, now the most recently used one, or None where it is not alive."""
        state = self._states.get(key)
        if state is not None:
            self._states.move_to_end(key)
        return state

    def put(self, state: State) -> list[State]:
        """Add a state. Returns those that have to go for it, which are no longer on the shelf."""
        displaced = [gone] if (gone := self._states.get(state.key)) else []
        for old in displaced:
            self.remove(old)
        self._states[state.key] = state
        self._of_session[state.key[0]] += 1
        self._bytes_held[state.key[0]] += state.bytes_held
        while (victim := self._victim(state)) is not None:
            self.remove(victim)
            displaced.append(victim)
        return displaced

    def remove(self, state: State) -> bool:
        """Take a state off. Says whether it was there."""
        if self._states.get(state.key) is not state:
            return False
        del self._states[state.key]
        self._of_session[state.key[0]] -= 1
        self._bytes_held[state.key[0]] -= state.bytes_held
        if not self._of_session[state.key[0]]:
            del self._of_session[state.key[0]], self._bytes_held[state.key[0]]
        return True

    def of_session(self, session: int) -> list[State]:
        return [state for state in self if state.key[0] == session]

    def _victim(self, newest: State) -> State | None:
        session = newest.key[0]
        within_session = (
            self._of_session[session] > self._bounds.session_states
            or self._bytes_held[session] > self._bounds.session_bytes
        )
        within_guest = (
            len(self._states) > self._bounds.guest_states
            or self._bytes_held.total() > self._bounds.state_bytes
        )
        if not within_session and not within_guest:
            return None
        idle = [s for s in self._states.values() if s is not newest and not s.forks_under_way]
        own = (state for state in idle if state.key[0] == session)
        victim = next(own, None) if within_session else None
        return victim or (idle[0] if within_guest and idle else None)
