"""Programs that mean harm: each ends within its limits, fails, and leaves nothing behind."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from services.sandbox.base import SandboxProvider, SandboxSession
from tests.unit.sandbox.hostile import FAIL, SURVIVE, examine
from tests.unit.sandbox.living import Count, counted
from tests.unit.sandbox.providers import LIMITS, PROCESSES, make_provider

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module", params=PROCESSES)
async def provider(request: pytest.FixtureRequest) -> AsyncIterator[SandboxProvider]:
    provider = make_provider(request.param)
    await provider.start()
    yield provider
    await provider.close()


@pytest_asyncio.fixture(loop_scope="module")
async def session(provider: SandboxProvider) -> AsyncIterator[SandboxSession]:
    session = await provider.open_session()
    yield session
    await session.close()


@pytest.fixture
def count(provider: SandboxProvider) -> Count:
    return counted(provider.isolation.provider)


@pytest.mark.parametrize("name", FAIL)
async def test_a_hostile_program_fails_in_time_and_harms_no_sibling(
    session: SandboxSession, name: str, count: Count
) -> None:
    assert await examine(session, name, LIMITS, count=count) == ""


@pytest.mark.parametrize("name", SURVIVE)
async def test_what_a_program_leaves_behind_is_taken_away(
    session: SandboxSession, name: str, count: Count
) -> None:
    assert await examine(session, name, LIMITS, count=count) == ""
