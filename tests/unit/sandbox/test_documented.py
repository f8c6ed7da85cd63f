"""What docs/sandbox.md says of programs is what becomes of them."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from db.vocabulary import Outcome
from services.sandbox.base import ROOT_STATE, Limits, SandboxProvider
from services.sandbox.docker import DockerSandbox
from services.sandbox.local import LocalSandbox
from tests.engines import IMAGE
from tests.unit.sandbox.providers import PROCESSES

PAGE = Path(__file__).parents[3] / "docs" / "sandbox.md"
BLOCKS = re.findall(r"```python\n(.*?)\n```", PAGE.read_text("utf-8"), re.DOTALL)
EXAMPLES = [re.split(r"\n# (prints|raises): ", block) for block in BLOCKS]


@pytest_asyncio.fixture(scope="module", loop_scope="module", params=PROCESSES)
async def provider(request: pytest.FixtureRequest) -> AsyncIterator[SandboxProvider]:
    """With the limits that the page names, which are the default ones."""
    docker = request.param == "docker"
    provider = DockerSandbox(image=IMAGE, guests=1) if docker else LocalSandbox(guests=1)
    await provider.start()
    yield provider
    await provider.close()


def test_every_example_says_what_comes_of_it() -> None:
    assert len(EXAMPLES) > 15
    assert {len(parts) for parts in EXAMPLES} == {3}


def test_the_page_names_the_limits() -> None:
    limits = Limits()
    named = (
        f"{limits.wall_seconds:.0f} s of time, {limits.cpu_seconds:.0f} s of processor time, "
        f"{limits.memory_bytes >> 20} MiB of memory, {limits.processes} processes and threads, "
        f"and {limits.output_bytes >> 10} KiB of output"
    )
    assert named in " ".join(PAGE.read_text("utf-8").split())


@pytest.mark.asyncio(loop_scope="module")
@pytest.mark.parametrize(("code", "kind", "expected"), EXAMPLES)
async def test_an_example_does_what_the_page_says(
    provider: SandboxProvider, code: str, kind: str, expected: str
) -> None:
    session = await provider.open_session()
    _, execution = await session.execute(code, parent=ROOT_STATE)
    await session.close()
    if kind == "prints":
        assert execution.outcome is Outcome.OK, execution
        assert execution.observation.endswith(expected.removeprefix("..."))
        assert expected.startswith("...") or execution.observation == expected
    else:
        assert execution.outcome is Outcome.RAISED, execution
        assert execution.exception_type in expected.split(" or ")
