"""How providers start, what they say of themselves, and when they refuse."""

from __future__ import annotations

import asyncio

import pytest

from db.vocabulary import Outcome
from services.config import SandboxChoice
from services.errors import SandboxUnavailable
from services.sandbox.base import ROOT_STATE, Execution, Limits
from services.sandbox.channel import Transport
from services.sandbox.docker import DockerSandbox
from services.sandbox.factory import open_provider
from services.sandbox.fake import FakeSandbox
from services.sandbox.guest.protocol import Ready, Settings, encode
from services.sandbox.local import LocalSandbox
from services.sandbox.pool import GuestPool, guest_settings

LIMITS = Limits()
NO_IMAGE = "stepforge-no-such-image:none"


class SilentGuest:
    """A transport to a guest that says one thing and then nothing."""

    def __init__(self, first_words: bytes) -> None:
        self._reader = asyncio.StreamReader()
        self._reader.feed_data(first_words)
        self.ended = False

    @property
    def reader(self) -> asyncio.StreamReader:
        return self._reader

    async def write(self, data: bytes) -> None:
        raise OSError(f"nobody reads these {len(data)} bytes")

    async def end(self) -> None:
        self.ended = True
        self._reader.feed_eof()

    def last_words(self) -> str:
        return "no module named sympy"


def pool_of(first_words: bytes, *, allow_unisolated: bool = False) -> GuestPool:
    async def launch() -> tuple[Transport, Settings]:
        guest = SilentGuest(first_words)
        if not first_words:
            guest.reader.feed_eof()
        return guest, guest_settings(LIMITS, confine=False, user_id=0, plain_steps=True)

    return GuestPool(launch, provider="bare", guests=1, allow_unisolated=allow_unisolated)


def ready(*enforced: str) -> bytes:
    return encode(Ready("python", enforced, ("no network",)))


async def test_a_guest_without_walls_is_refused_unless_the_user_allows_it() -> None:
    with pytest.raises(SandboxUnavailable, match="STEPFORGE_ALLOW_UNISOLATED_SANDBOX"):
        await pool_of(ready("no capabilities")).start()
    async with pool_of(ready("no capabilities"), allow_unisolated=True) as allowed:
        assert allowed.isolation.missing == ("no network", "process limit")


async def test_a_filter_and_no_network_are_walls_enough() -> None:
    async with pool_of(ready("no network", "system call filter")) as pool:
        assert "time, memory and output limits" in pool.isolation.enforced


async def test_a_guest_that_cannot_start_is_told_with_its_last_words() -> None:
    with pytest.raises(SandboxUnavailable, match="no module named sympy"):
        await pool_of(b"").start()


async def test_a_guest_that_talks_nonsense_cannot_start() -> None:
    with pytest.raises(SandboxUnavailable, match="could not be started"):
        await pool_of(b"Welcome to Python 3.11\n" * 10).start()


async def test_a_guest_that_does_not_listen_is_replaced_until_there_is_no_hope() -> None:
    async with pool_of(ready("no network", "system call filter")) as pool:
        session = await pool.open_session()
        with pytest.raises(SandboxUnavailable, match="4 attempts"):
            await session.execute("1", parent=ROOT_STATE)


async def test_a_provider_must_be_started_first() -> None:
    provider = LocalSandbox(guests=1)
    with pytest.raises(SandboxUnavailable, match="start"):
        await provider.open_session()
    with pytest.raises(SandboxUnavailable, match="start"):
        _ = provider.isolation


async def test_a_closed_provider_executes_nothing() -> None:
    provider = LocalSandbox(guests=1)
    await provider.start()
    session = await provider.open_session()
    await provider.close()
    with pytest.raises(SandboxUnavailable, match="closed"):
        await session.execute("1", parent=ROOT_STATE)
    await provider.close()


async def test_a_step_that_computes_too_long_ends_before_its_wall_time() -> None:
    limits = Limits(wall_seconds=20.0, cpu_seconds=0.3)
    async with LocalSandbox(limits=limits, guests=1) as provider:
        session = await provider.open_session()
        _, execution = await session.execute("while True: pass", parent=ROOT_STATE)
        assert execution.outcome is Outcome.TIMED_OUT
        assert "processor" in execution.exception_message
        assert 0.3 <= execution.cpu_seconds < 0.8
        _, execution = await session.execute("import time; time.sleep(0.5)", parent=ROOT_STATE)
        assert execution.outcome is Outcome.OK


async def test_sessions_are_spread_over_guests() -> None:
    async with LocalSandbox(guests=2) as provider:
        sessions = [await provider.open_session() for _ in range(2)]
        results = await asyncio.gather(
            *(s.execute("import time; time.sleep(0.4)", parent=ROOT_STATE) for s in sessions)
        )
        assert all(execution.wall_seconds >= 0.4 for _, execution in results)


@pytest.mark.engine("docker")
async def test_a_missing_image_is_told_with_what_to_do() -> None:
    with pytest.raises(SandboxUnavailable, match="build-from-debian"):
        await DockerSandbox(image=NO_IMAGE, guests=1).start()


@pytest.mark.parametrize("choice", [SandboxChoice.AUTO, SandboxChoice.LOCAL])
async def test_without_an_image_the_steps_run_on_the_host(choice: SandboxChoice) -> None:
    provider = await open_provider(
        choice, image=NO_IMAGE, runtime="", allow_unisolated=False, limits=LIMITS, guests=1
    )
    assert provider.isolation.provider == "local"
    await provider.close()


async def test_docker_is_not_replaced_where_it_was_asked_for() -> None:
    with pytest.raises(SandboxUnavailable):
        await open_provider(
            SandboxChoice.DOCKER,
            image=NO_IMAGE,
            runtime="",
            allow_unisolated=False,
            limits=LIMITS,
            guests=1,
        )


async def test_the_fake_follows_its_script() -> None:
    scripted = Execution(Outcome.OK, stdout="scripted\n")
    fake = FakeSandbox({"import os": scripted}, unavailable_at={2})
    async with fake:
        session = await fake.open_session()
        _, execution = await session.execute("import os", parent=ROOT_STATE)
        assert execution.stdout == "scripted\n"
        with pytest.raises(SandboxUnavailable):
            await session.execute("1", parent=ROOT_STATE)
        await session.close()
        assert (fake.executed, fake.open_sessions) == (["import os"], 0)
