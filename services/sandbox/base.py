"""The sandbox contract: a session is a tree of interpreter states, and a step is one edge.

A step runs in a copy of the state that its parent left behind, so siblings never see each other's
names. What a program does is data (`Execution`); only a failure of the sandbox raises
(`SandboxUnavailable`), and that never becomes a label.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from db.vocabulary import Outcome

ROOT_STATE = 0
"""The state of every session before its first step: a fresh interpreter."""


@dataclass(frozen=True, slots=True)
class Limits:
    """What one step may use. A step that passes a limit ends within it plus half a second."""

    wall_seconds: float = 5.0
    """Time that a step waits for a processor which others hold does not count, up to three times as
    much; a step that was kept waiting for longer is the sandbox's failure and not a time-out."""
    cpu_seconds: float = 5.0
    memory_bytes: int = 512 * 1024 * 1024
    output_bytes: int = 4096
    """Of longer output beginning and end are kept, and a line between them says what is gone."""
    processes: int = 16


@dataclass(frozen=True, slots=True)
class Execution:
    """What one run of one step did."""

    outcome: Outcome
    stdout: str = ""
    """What this step alone printed (stdout and stderr of earlier steps are not repeated)."""
    value: str = ""
    """`repr` of the step's last statement where it is an expression and not None, else empty."""
    exception_type: str = ""
    exception_message: str = ""
    truncated: bool = False
    """Whether something of the output or the value was left out."""
    wall_seconds: float = 0.0
    cpu_seconds: float = 0.0

    @property
    def observation(self) -> str:
        """What the policy is shown: what was printed, or the last value where nothing was."""
        return self.stdout.strip() or self.value


@dataclass(frozen=True, slots=True)
class Isolation:
    """What the provider keeps a program from, and what it does not. Shown by `stepforge status`."""

    provider: str
    image: str
    """Image digest, or the version of the local interpreter; stored with each search."""
    enforced: tuple[str, ...]
    missing: tuple[str, ...]


class SandboxSession(Protocol):
    """The interpreter states of one search."""

    async def execute(self, code: str, *, parent: int) -> tuple[int, Execution]:
        """Run `code` in a copy of the state `parent`.

        Returns the id of the state it left behind (only a state whose outcome was ok can be a
        parent later) and what happened. Calls on one session may overlap.

        Raises:
            SandboxUnavailable: the sandbox failed; nothing is known about the program.
        """
        ...

    def recall(self, code: str, *, parent: int) -> int:
        """The id of the state that a step left behind in an earlier session, where it was ok.

        Nothing runs now: the state is made again when a step first needs it, which raises
        StateNotReproducible where its code does not do the same again.
        """
        ...

    async def close(self) -> None:
        """Forget every state and kill every process of the session. Never raises."""
        ...


class SandboxProvider(Protocol):
    """A source of sessions. Used as an async context manager by the worker."""

    async def start(self) -> None:
        """Get ready to open sessions. Raises SandboxUnavailable where it cannot."""
        ...

    @property
    def isolation(self) -> Isolation:
        """What is enforced. Known after `start`."""
        ...

    async def open_session(self) -> SandboxSession:
        """A session with nothing but `ROOT_STATE`. Raises SandboxUnavailable."""
        ...

    async def close(self) -> None:
        """End every session and every process. Never raises."""
        ...
