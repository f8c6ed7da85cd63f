"""Requests wait for their tokens: in order, never for ever, and never beside one that fills all."""

from __future__ import annotations

import asyncio

import pytest

from services.rollouts.admission import TokenBudget, request_tokens


async def settle() -> None:
    for _ in range(5):
        await asyncio.sleep(0)


async def test_requests_run_while_their_tokens_fit() -> None:
    budget = TokenBudget(100)
    await budget.acquire(60)
    await budget.acquire(40)
    waiting = asyncio.create_task(budget.acquire(1))
    await settle()
    assert not waiting.done()
    budget.release(40)
    await waiting
    assert budget.room == 39


async def test_nobody_is_overtaken() -> None:
    budget = TokenBudget(100)
    order = []

    async def ask(name: str, tokens: int) -> None:
        await budget.acquire(tokens)
        order.append(name)

    await budget.acquire(90)
    tasks = [asyncio.create_task(ask(*each)) for each in (("large", 50), ("small", 5))]
    await settle()
    assert order == []
    budget.release(90)
    await asyncio.gather(*tasks)
    assert order == ["large", "small"]


async def test_a_request_of_more_than_everything_runs_alone() -> None:
    budget = TokenBudget(100)
    await budget.acquire(10)
    huge = asyncio.create_task(budget.acquire(1000))
    after = asyncio.create_task(budget.acquire(10))
    await settle()
    assert not huge.done()
    budget.release(10)
    await huge
    assert not after.done()
    assert budget.room == 0
    budget.release(1000)
    await after


@pytest.mark.parametrize("admitted", [False, True])
async def test_who_gives_up_waiting_keeps_no_tokens(admitted: bool) -> None:
    budget = TokenBudget(100)
    await budget.acquire(100)
    impatient = asyncio.create_task(budget.acquire(100))
    behind = asyncio.create_task(budget.acquire(30))
    await settle()
    if admitted:
        budget.release(100)  # Its turn comes in the moment in which it is cancelled.
    impatient.cancel()
    with pytest.raises(asyncio.CancelledError):
        await impatient
    if not admitted:
        budget.release(100)
    await behind
    assert budget.room == 70


async def test_room_is_kept_for_requests_that_are_expected() -> None:
    told = []
    budget = TokenBudget(100, when_free=lambda: told.append(budget.room))
    with budget.expectation(70) as has_asked:
        assert budget.room == 30
        await budget.acquire(20)
        has_asked()
        assert budget.room == 80
        has_asked()
        assert budget.room == 80
    budget.release(20)
    assert told == [100]


def test_a_request_is_its_prompt_once_and_all_its_candidates() -> None:
    assert request_tokens(300, count=8, step_tokens=512) == 100 + 8 * 512
