"""What a session does when its guest forgets, breaks or refuses."""

from __future__ import annotations

from collections import deque
from contextlib import AbstractAsyncContextManager, nullcontext

import pytest

from db.vocabulary import Outcome
from services.errors import SandboxUnavailable, StateNotReproducible
from services.sandbox.base import ROOT_STATE
from services.sandbox.channel import GuestLost
from services.sandbox.guest.protocol import Op, Reply, Status
from services.sandbox.session import GuestSession


class ForgetfulGuest:
    """Runs every step as ok unless told otherwise, and remembers what it was asked."""

    def __init__(self) -> None:
        self.alive: set[int] = {ROOT_STATE}
        self.asked: list[tuple[int, str]] = []
        self.next_answers: deque[Reply | Exception] = deque()
        self.sessions = 1
        self.generation = 1

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
        if op is Op.FIND:
            living = [number for number in candidates if number in self.alive]
            return Reply(session, Status.DONE, found=living[0] if living else ROOT_STATE)
        if op is not Op.RUN:
            return Reply(session, Status.DONE)
        self.asked.append((state, code))
        if self.next_answers:
            answer = self.next_answers.popleft()
            if isinstance(answer, Exception):
                raise answer
            return answer
        if parent not in self.alive:
            return Reply(session, Status.MISSING)
        self.alive.add(state)
        return Reply(session, Status.DONE, outcome="ok", stdout=f"{code}\n")

    def turn(self) -> AbstractAsyncContextManager[None]:
        return nullcontext()

    def leave(self) -> None:
        self.sessions -= 1


async def path_of(session: GuestSession, length: int) -> list[int]:
    states = [ROOT_STATE]
    for number in range(1, length + 1):
        state, _ = await session.execute(f"step {number}", parent=states[-1])
        states.append(state)
    return states


async def test_a_forgotten_state_is_made_again_from_the_nearest_living_one() -> None:
    guest = ForgetfulGuest()
    session = GuestSession(guest, 1)
    states = await path_of(session, 4)
    guest.alive -= {states[3], states[4]}
    guest.asked.clear()
    _, execution = await session.execute("last", parent=states[4])
    assert execution.stdout == "last\n"
    assert [code for _, code in guest.asked] == ["last", "step 3", "step 4", "last"]


async def test_a_guest_that_was_replaced_gets_the_whole_path() -> None:
    guest = ForgetfulGuest()
    session = GuestSession(guest, 1)
    states = await path_of(session, 3)
    guest.alive = {ROOT_STATE}
    guest.next_answers.append(GuestLost("gone"))
    guest.asked.clear()
    await session.execute("last", parent=states[3])
    codes = [code for _, code in guest.asked]
    assert codes == ["last", "last", "step 1", "step 2", "step 3", "last"]


RAISED = Reply(1, Status.DONE, outcome="raised")


async def test_a_state_whose_steps_do_not_run_again_fails_the_steps_after_it() -> None:
    guest = ForgetfulGuest()
    session = GuestSession(guest, 1)
    states = await path_of(session, 1)
    guest.alive = {ROOT_STATE}
    guest.next_answers.extend([Reply(1, Status.MISSING), RAISED] * 2)
    _, execution = await session.execute("last", parent=states[1])
    assert (execution.outcome, execution.exception_type) == (Outcome.RAISED, "StateLost")
    assert "ran before and now is raised" in execution.exception_message


async def test_a_step_that_fails_once_when_it_is_run_again_gets_another_try() -> None:
    guest = ForgetfulGuest()
    session = GuestSession(guest, 1)
    states = await path_of(session, 1)
    guest.alive = {ROOT_STATE}
    guest.next_answers.extend([Reply(1, Status.MISSING), RAISED])
    _, execution = await session.execute("last", parent=states[1])
    assert execution.outcome is Outcome.OK


async def test_a_step_that_runs_no_more_in_another_guest_is_no_outcome() -> None:
    guest = ForgetfulGuest()
    session = GuestSession(guest, 1)
    states = await path_of(session, 1)
    guest.alive, guest.generation = {ROOT_STATE}, 2
    guest.next_answers.extend([Reply(1, Status.MISSING), RAISED])
    with pytest.raises(StateNotReproducible, match="ran before and now is raised"):
        await session.execute("last", parent=states[1])


async def test_a_step_of_an_earlier_session_that_runs_no_more_is_no_outcome() -> None:
    guest = ForgetfulGuest()
    session = GuestSession(guest, 1)
    state = session.recall("x = 1", parent=ROOT_STATE)
    guest.next_answers.extend([Reply(1, Status.MISSING), RAISED])
    with pytest.raises(StateNotReproducible, match="ran before and now is raised"):
        await session.execute("last", parent=state)


async def test_a_state_that_breaks_whenever_it_is_forked_fails_its_children_at_once() -> None:
    guest = ForgetfulGuest()
    session = GuestSession(guest, 1)
    states = await path_of(session, 1)
    lost = Reply(1, Status.LOST, detail="it did not fork")
    made_again = Reply(1, Status.DONE, outcome="ok")
    guest.alive = {ROOT_STATE}
    guest.next_answers.extend([lost, made_again, lost])
    for _ in range(2):
        _, execution = await session.execute("1", parent=states[1])
        assert (execution.outcome, execution.exception_type) == (Outcome.RAISED, "StateLost")
    assert not guest.next_answers
    assert len(guest.asked) == 1 + 3


async def test_a_state_that_ends_whenever_it_is_made_fails_its_children() -> None:
    guest = ForgetfulGuest()
    session = GuestSession(guest, 1)
    states = await path_of(session, 1)
    guest.alive = {ROOT_STATE}
    missing, made_again = Reply(1, Status.MISSING), Reply(1, Status.DONE, outcome="ok")
    guest.next_answers.extend([missing, made_again, missing, made_again, missing])
    _, execution = await session.execute("1", parent=states[1])
    assert (execution.outcome, execution.exception_type) == (Outcome.RAISED, "StateLost")


async def test_a_state_that_is_lost_once_is_made_again() -> None:
    guest = ForgetfulGuest()
    session = GuestSession(guest, 1)
    states = await path_of(session, 1)
    guest.next_answers.append(Reply(1, Status.LOST, detail="it did not fork"))
    _, execution = await session.execute("1", parent=states[1])
    assert execution.outcome is Outcome.OK


async def test_a_step_that_is_killed_once_is_run_again() -> None:
    guest = ForgetfulGuest()
    guest.next_answers.append(Reply(1, Status.KILLED))
    _, execution = await GuestSession(guest, 1).execute("1", parent=ROOT_STATE)
    assert execution.outcome is Outcome.OK


@pytest.mark.parametrize("outcome", [Outcome.OUT_OF_MEMORY, Outcome.RAISED])
async def test_a_step_that_is_killed_whenever_it_runs_ends_as_the_guest_found_it(
    outcome: Outcome,
) -> None:
    guest = ForgetfulGuest()
    guest.next_answers.extend([Reply(1, Status.KILLED, outcome=outcome)] * 4)
    _, execution = await GuestSession(guest, 1).execute("1", parent=ROOT_STATE)
    assert execution.outcome is outcome


@pytest.mark.parametrize("answer", [Reply(1, Status.FAILED), GuestLost("gone")])
async def test_a_guest_that_fails_again_and_again_is_unavailable(
    answer: Reply | GuestLost,
) -> None:
    guest = ForgetfulGuest()
    session = GuestSession(guest, 1)
    guest.next_answers.extend([answer] * 10)
    with pytest.raises(SandboxUnavailable, match="4 attempts"):
        await session.execute("1", parent=ROOT_STATE)


async def test_one_failure_of_the_guest_is_not_noticed() -> None:
    guest = ForgetfulGuest()
    session = GuestSession(guest, 1)
    guest.next_answers.extend([Reply(1, Status.FAILED), GuestLost("gone")])
    _, execution = await session.execute("print", parent=ROOT_STATE)
    assert execution.outcome is Outcome.OK


async def test_a_closed_session_gives_its_place_back_once() -> None:
    guest = ForgetfulGuest()
    session = GuestSession(guest, 1)
    await session.close()
    await session.close()
    assert guest.sessions == 0
