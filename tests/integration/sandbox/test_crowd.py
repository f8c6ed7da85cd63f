"""Many searches share one guest that cannot keep all their states alive."""

from __future__ import annotations

import asyncio
import random

from db.vocabulary import Outcome
from services.sandbox.base import ROOT_STATE, SandboxProvider
from services.sandbox.local import LocalSandbox
from services.sandbox.pool import GUEST_STATES

SESSIONS, STEPS = 10, 36

STEP = """
xs = (xs if 'xs' in globals() else []) + [{value}]
print(xs)
assert {value} % 7
"""


async def grow(provider: SandboxProvider, seed: int) -> None:
    """A random tree, each of whose steps prints what all steps above it have left behind."""
    chance = random.Random(seed)
    session = await provider.open_session()
    leaves: list[tuple[int, list[int]]] = [(ROOT_STATE, [])]
    for _ in range(STEPS):
        parent, path = chance.choice(leaves[-6:])
        value = chance.randrange(1000)
        state, execution = await session.execute(STEP.format(value=value), parent=parent)
        assert execution.stdout == f"{[*path, value]}\n"
        assert execution.outcome is (Outcome.OK if value % 7 else Outcome.RAISED)
        if execution.outcome is Outcome.OK:
            leaves.append((state, [*path, value]))
    await session.close()


async def test_a_crowd_of_searches_never_mixes_up_or_loses_a_state() -> None:
    assert SESSIONS * STEPS > GUEST_STATES
    async with LocalSandbox(guests=1) as provider:
        await asyncio.gather(*(grow(provider, seed) for seed in range(SESSIONS)))
