"""Siblings and sessions share nothing: what one step does no step of another path can see."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass

import pytest
import pytest_asyncio

from db.vocabulary import Outcome
from services.sandbox.base import ROOT_STATE, SandboxProvider, SandboxSession
from tests.unit.sandbox.channels import CHANNELS, Channel
from tests.unit.sandbox.providers import PROCESSES, make_provider

pytestmark = pytest.mark.asyncio(loop_scope="module")

CLOSED = pytest.mark.parametrize("channel", CHANNELS.values(), ids=CHANNELS.keys())


@pytest_asyncio.fixture(scope="module", loop_scope="module", params=PROCESSES)
async def provider(request: pytest.FixtureRequest) -> AsyncIterator[SandboxProvider]:
    provider = make_provider(request.param)
    await provider.start()
    yield provider
    await provider.close()


@dataclass(frozen=True, slots=True)
class Seen:
    """What a step can know: not how long it took."""

    outcome: Outcome
    printed: str
    exception_type: str


async def hear(session: SandboxSession, channel: Channel, parent: int) -> Seen:
    _, heard = await session.execute(channel.hears, parent=parent)
    return Seen(heard.outcome, heard.observation, heard.exception_type)


async def make(session: SandboxSession, code: str, parent: int = ROOT_STATE) -> int:
    state, execution = await session.execute(code, parent=parent)
    assert execution.outcome is Outcome.OK, execution
    return state


@CLOSED
async def test_a_step_does_not_hear_its_sibling(
    provider: SandboxProvider, channel: Channel
) -> None:
    session = await provider.open_session()
    parent = await make(session, channel.before)
    silence = await hear(session, channel, parent)
    await session.execute(channel.tells, parent=parent)
    assert await hear(session, channel, parent) == silence
    await session.close()


@CLOSED
async def test_a_step_does_not_hear_another_session(
    provider: SandboxProvider, channel: Channel
) -> None:
    session, other = await provider.open_session(), await provider.open_session()
    parent, stranger = await make(session, channel.before), await make(other, channel.before)
    silence = await hear(session, channel, parent)
    await other.execute(channel.tells, parent=stranger)
    assert await hear(session, channel, parent) == silence
    await session.close()
    await other.close()
