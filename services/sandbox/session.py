"""The states of one search on the host's side: which code led to which state.

The guest may forget a state (there is room for so many) or be replaced altogether. The session
keeps every step that ran, and makes a forgotten state again by running the steps that lead to it
from the nearest one that is still alive. A state that cannot go on after its own step, or whose
steps do not run again in the guest where they ran, fails the steps after it: no program makes the
sandbox unavailable.
"""

from __future__ import annotations

import itertools
from contextlib import AbstractAsyncContextManager, suppress
from dataclasses import dataclass, replace
from typing import Protocol

from db.vocabulary import Outcome
from services.errors import SandboxUnavailable, StateNotReproducible
from services.sandbox.base import ROOT_STATE, Execution
from services.sandbox.channel import GuestLost
from services.sandbox.guest.protocol import MAX_CODE_BYTES, Op, Reply, Status

_ATTEMPTS = 4
_LOSSES = 2
"""How often a state is lost through its own program before the steps after it fail."""


_WITHOUT_PARENT = (Status.MISSING, Status.LOST)


class Guest(Protocol):
    """Where the session's states live; it may be a new one from one request to the next."""

    @property
    def generation(self) -> int:
        """Another number for each guest that has taken the place."""
        ...

    async def request(
        self,
        op: Op,
        *,
        session: int,
        state: int = 0,
        parent: int = 0,
        code: str = "",
        candidates: tuple[int, ...] = (),
    ) -> Reply:
        """Raises GuestLost where the guest ended, SandboxUnavailable where none starts."""
        ...

    def turn(self) -> AbstractAsyncContextManager[None]:
        """While it is held no other session runs steps in the guest."""
        ...

    def leave(self) -> None:
        """A session has ended."""
        ...


@dataclass(frozen=True, slots=True)
class _Step:
    parent: int
    code: str


class GuestSession:
    """A `SandboxSession` whose states live in a guest."""

    def __init__(self, guest: Guest, number: int) -> None:
        self._guest = guest
        self._number = number
        self._ids = itertools.count(ROOT_STATE + 1)
        self._steps: dict[int, _Step] = {}
        self._made_in: dict[int, int] = {}
        """In which generation of the guest a state was made; none is known of recalled ones."""
        self._broken: dict[int, str] = {}
        """States that nothing can start from, and why."""
        self._closed = False

    async def execute(self, code: str, *, parent: int) -> tuple[int, Execution]:
        """See `SandboxSession.execute`.

        Raises:
            SandboxUnavailable: the guest ended or refused several times in a row.
            ValueError: `parent` is not a state that an ok step of this session left behind.
        """
        self._refuse_if_closed()
        if parent != ROOT_STATE and parent not in self._steps:
            raise ValueError(f"State {parent} is not one that an ok step of this session left.")
        state = next(self._ids)
        if len(code) > MAX_CODE_BYTES:
            message = f"The code has {len(code)} characters; a step has at most {MAX_CODE_BYTES}."
            return state, Execution(Outcome.RAISED, "", "", "SyntaxError", message)
        # One turn for all attempts, so that what is made again is not displaced meanwhile.
        async with self._guest.turn():
            self._refuse_if_closed()
            execution = _execution(await self._run(_Step(parent, code), state))
        if execution.outcome is Outcome.OK:
            self._steps[state] = _Step(parent, code)
            self._made_in[state] = self._guest.generation
        return state, execution

    def recall(self, code: str, *, parent: int) -> int:
        """See `SandboxSession.recall`."""
        state = next(self._ids)
        self._steps[state] = _Step(parent, code)
        return state

    async def close(self) -> None:
        """See `SandboxSession.close`."""
        if self._closed:
            return
        self._closed = True
        with suppress(GuestLost, SandboxUnavailable):
            await self._guest.request(Op.CLOSE, session=self._number)
        self._guest.leave()

    def _refuse_if_closed(self) -> None:
        if self._closed:
            raise SandboxUnavailable("The sandbox session is closed. Open a new one.")

    async def _run(self, step: _Step, state: int) -> Reply:
        """Run a step, as often as it takes to get an answer about the program."""
        refusal = Reply(0, Status.FAILED)
        losses, made_again = 0, False
        for _ in range(_ATTEMPTS):
            self._refuse_if_closed()
            if step.parent in self._broken:
                return self._state_lost(step.parent)
            try:
                refusal = await self._ask(step, state)
                if refusal.status is Status.DONE:
                    return refusal
                if refusal.status in _WITHOUT_PARENT:
                    # A state that was made a moment ago and is gone has ended by itself.
                    losses += refusal.status is Status.LOST or made_again
                    stopped = await self._rebuild(step.parent) if losses < _LOSSES else None
                    made_again = stopped is None
                    if stopped is not None:
                        refusal = stopped
                        losses += stopped.status is Status.LOST
            except GuestLost as error:
                refusal, made_again = Reply(0, Status.FAILED, detail=str(error)), False
            if losses >= _LOSSES:
                break
        if refusal.status in _WITHOUT_PARENT:
            self._broken[step.parent] = refusal.detail or "it ends by itself"
            return self._state_lost(step.parent)
        if refusal.status is Status.KILLED:
            # Who kills for sport does not hit one step four times; its program does, or its memory.
            return replace(refusal, status=Status.DONE)
        raise SandboxUnavailable(
            f"Session {self._number}: a step got no answer in {_ATTEMPTS} attempts"
            f" ({refusal.detail or refusal.status}). Look at `stepforge status`; the step can be"
            " tried again."
        )

    def _state_lost(self, parent: int) -> Reply:
        message = f"The state before this step cannot go on: {self._broken[parent]}."
        return _failed(Outcome.RAISED, "StateLost", message)

    async def _ask(self, step: _Step, state: int) -> Reply:
        return await self._guest.request(
            Op.RUN, session=self._number, state=state, parent=step.parent, code=step.code
        )

    async def _rebuild(self, state: int) -> Reply | None:
        """Make a state alive again. Returns what stopped that, LOST where it was its own program.

        Raises:
            StateNotReproducible: a step of an earlier session, or of a guest that has ended since,
                does not run as it did there.
        """
        path = self._path(state)
        alive = await self._guest.request(Op.FIND, session=self._number, candidates=tuple(path))
        missing = path[: path.index(alive.found)] if alive.found in path else path
        for gone in reversed(missing):
            self._refuse_if_closed()
            reply = await self._ask(self._steps[gone], gone)
            if reply.status is not Status.DONE:
                return reply
            if reply.outcome != Outcome.OK:
                why = f"the step of state {gone} ran before and now is {reply.outcome}"
                if self._made_in.get(gone) != self._guest.generation:
                    raise StateNotReproducible(
                        f"Session {self._number}: {why}; its program does not do the same thing"
                        " twice."
                    )
                return Reply(0, Status.LOST, detail=why)
            self._made_in[gone] = self._guest.generation
        return None

    def _path(self, state: int) -> list[int]:
        """A state and its ancestors, the root state not included."""
        path = []
        while state != ROOT_STATE:
            path.append(state)
            state = self._steps[state].parent
        return path


def _failed(outcome: Outcome, exception_type: str, message: str) -> Reply:
    """An answer about the program that the guest itself could not give."""
    return Reply(
        0,
        Status.DONE,
        outcome=outcome,
        exception_type=exception_type,
        exception_message=message,
    )


def _execution(reply: Reply) -> Execution:
    return Execution(
        outcome=Outcome(reply.outcome),
        stdout=reply.stdout,
        value=reply.value,
        exception_type=reply.exception_type,
        exception_message=reply.exception_message,
        truncated=reply.truncated,
        wall_seconds=reply.wall_seconds,
        cpu_seconds=reply.cpu_seconds,
    )
