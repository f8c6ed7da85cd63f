"""The grader decides hard pairs in a process that cannot outlive its limits."""

import asyncio
import json
import os
import signal
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import psutil
import pytest
import pytest_asyncio

from db.vocabulary import Verdict
from services.errors import GraderUnavailable
from services.grading.plain import PlainGrader
from services.grading.process import ProcessGrader
from tests.unit.grading.pairs import DIFFERENT, ENDLESS, EQUAL, UNREADABLE

LITTLE_MEMORY = 320 * 1024 * 1024

HARD = (r"\frac{\sqrt{12}}{6}", r"\frac{\sqrt{3}}{3}")
"""A pair that only algebra can decide."""

GROWING = r"\sqrt{2^{9000000000}}"
"""Takes more than a gigabyte before it is compared."""


@pytest_asyncio.fixture
async def grader() -> AsyncIterator[ProcessGrader]:
    async with ProcessGrader(limit_seconds=10) as grader:
        yield grader


def servers() -> list[psutil.Process]:
    """The grader servers of this test process."""
    children = psutil.Process().children(recursive=True)
    return [child for child in children if _is_server(child)]


def _is_server(process: psutil.Process) -> bool:
    try:
        return "services.grading.server" in process.cmdline()
    except psutil.NoSuchProcess:
        return False


def memory(server: psutil.Process) -> int:
    """Resident bytes, 0 where it has just ended."""
    try:
        return server.memory_info().rss
    except psutil.NoSuchProcess:
        return 0


def answer_files() -> Iterator[Path]:
    default = Path(__file__).resolve().parents[4] / "shared" / "data"
    folder = Path(os.environ.get("STEPFORGE_TEST_DATA", default))
    yield from sorted(folder.glob("*.jsonl"))


async def test_every_known_pair_has_its_verdict(grader: ProcessGrader) -> None:
    known = (
        *((pair, Verdict.EQUAL) for pair in EQUAL),
        *((pair, Verdict.DIFFERENT) for pair in DIFFERENT),
        *((pair, Verdict.UNDECIDED) for pair in UNREADABLE),
    )
    found = await asyncio.gather(*(grader.grade(a, truth=t) for (a, t), _ in known))
    wrong = [
        (pair[0][:60], pair[1][:60], verdict)
        for (pair, expected), verdict in zip(known, found, strict=True)
        if verdict is not expected
    ]
    assert wrong == []


async def test_equality_of_known_pairs_is_symmetric_where_no_form_is_asked_for(
    grader: ProcessGrader,
) -> None:
    formless = [(a, t) for a, t in EQUAL if not t.startswith("[") and "_" not in t and ")" not in a]
    found = await asyncio.gather(*(grader.grade(t, truth=a) for a, t in formless))
    assert [p for p, v in zip(formless, found, strict=True) if v is not Verdict.EQUAL] == []


@pytest.mark.skipif(
    not any(answer_files()), reason="no data: set STEPFORGE_TEST_DATA to a folder of .jsonl files"
)
async def test_every_real_answer_is_gradable_and_equal_to_itself(grader: ProcessGrader) -> None:
    answers = {
        json.loads(line)["answer"]
        for file in answer_files()
        for line in file.read_bytes().splitlines()
    }
    ordered = sorted(answers)
    gradable = await asyncio.gather(*(grader.is_gradable(one) for one in ordered))
    assert [a for a, ok in zip(ordered, gradable, strict=True) if not ok] == []
    boxed = await asyncio.gather(
        *(grader.grade(f"$\\boxed{{{one}}}$", truth=one) for one in ordered)
    )
    assert [a for a, v in zip(ordered, boxed, strict=True) if v is not Verdict.EQUAL] == []


async def test_plain_pairs_start_no_process() -> None:
    async with ProcessGrader() as grader:
        assert await grader.grade("1,000", truth="1000.0") is Verdict.EQUAL
        assert await grader.grade("7", truth="8") is Verdict.DIFFERENT
        assert await grader.is_gradable("3/4")
        assert servers() == []


async def test_an_endless_comparison_ends_at_its_limit_and_is_undecided() -> None:
    async with ProcessGrader(limit_seconds=1.0) as grader:
        await grader.grade(*HARD[:1], truth=HARD[1])
        started = time.perf_counter()
        assert await grader.grade(ENDLESS[1], truth="5") is Verdict.UNDECIDED
        assert time.perf_counter() - started < 3.0


@pytest.mark.slow
@pytest.mark.parametrize("endless", ENDLESS)
async def test_every_endless_answer_is_undecided(endless: str) -> None:
    async with ProcessGrader(limit_seconds=2.0) as grader:
        assert await grader.grade(endless, truth="5") is Verdict.UNDECIDED


async def test_neighbours_of_an_endless_pair_get_their_verdicts() -> None:
    async with ProcessGrader(limit_seconds=1.0) as grader:
        pairs = [HARD, (ENDLESS[1], "5"), HARD, ("x+1", "x+2"), (ENDLESS[1], "6"), HARD]
        found = await asyncio.gather(*(grader.grade(a, truth=t) for a, t in pairs))
    assert found == [
        Verdict.EQUAL,
        Verdict.UNDECIDED,
        Verdict.EQUAL,
        Verdict.DIFFERENT,
        Verdict.UNDECIDED,
        Verdict.EQUAL,
    ]


async def test_the_event_loop_runs_on_while_a_comparison_hangs() -> None:
    async with ProcessGrader(limit_seconds=1.0) as grader:
        hanging = asyncio.create_task(grader.grade(ENDLESS[1], truth="5"))
        turns = 0
        while not hanging.done():
            started = time.perf_counter()
            await asyncio.sleep(0)
            assert time.perf_counter() - started < 1.0
            turns += 1
        assert turns > 100


async def test_memory_is_limited() -> None:
    async with ProcessGrader(limit_seconds=2.5, memory_bytes=LITTLE_MEMORY) as grader:
        power = asyncio.create_task(grader.grade(GROWING, truth="5"))
        largest = 0
        while not power.done():
            largest = max([largest, *(memory(server) for server in servers())])
            await asyncio.sleep(0.01)
        assert await power is Verdict.UNDECIDED
        assert 20_000_000 < largest < LITTLE_MEMORY


async def test_a_killed_server_is_replaced_and_its_pair_still_decided(
    grader: ProcessGrader,
) -> None:
    assert await grader.grade(*HARD[:1], truth=HARD[1]) is Verdict.EQUAL
    [server] = servers()
    server.send_signal(signal.SIGKILL)
    assert await grader.grade(HARD[0] + "+1", truth=HARD[1] + "+1") is Verdict.EQUAL
    [other] = servers()
    assert other.pid != server.pid


async def test_a_server_ends_when_its_parent_closes_the_pipe() -> None:
    grader = ProcessGrader()
    await grader.grade(*HARD[:1], truth=HARD[1])
    [server] = servers()
    await grader.close()
    assert not server.is_running()


async def test_several_processes_share_the_work() -> None:
    async with ProcessGrader(processes=2, limit_seconds=10) as grader:
        pairs = [(f"{k}*sqrt(13)", rf"{k}\sqrt{{13}}") for k in range(2, 40)]
        found = await asyncio.gather(*(grader.grade(a, truth=t) for a, t in pairs))
        assert set(found) == {Verdict.EQUAL}
        assert len(servers()) == 2


async def test_a_grader_that_cannot_start_is_unavailable_and_gives_no_verdict() -> None:
    async with ProcessGrader(memory_bytes=1024) as grader:
        with pytest.raises(GraderUnavailable, match="ended while it started"):
            await grader.grade(HARD[0], truth=HARD[1])
        assert await grader.grade("5", truth="5.0") is Verdict.EQUAL


async def test_a_closed_grader_is_unavailable() -> None:
    grader = ProcessGrader()
    hanging = asyncio.create_task(grader.grade(ENDLESS[1], truth="5"))
    await asyncio.sleep(0)
    await grader.close()
    with pytest.raises(GraderUnavailable):
        await hanging
    with pytest.raises(GraderUnavailable, match="closed"):
        await grader.grade(HARD[0], truth=HARD[1])


async def test_a_cancelled_caller_does_not_stop_the_others(grader: ProcessGrader) -> None:
    first = asyncio.create_task(grader.grade(HARD[0], truth=HARD[1]))
    second = asyncio.create_task(grader.grade("x+1", truth="1+x"))
    await asyncio.sleep(0)
    first.cancel()
    assert await second is Verdict.EQUAL


async def test_what_cannot_be_read_is_not_gradable(grader: ProcessGrader) -> None:
    for truth in ("", "   ", "$$", "((((", "5" * 3000, '["5", ""]'):
        assert not await grader.is_gradable(truth)


async def test_what_can_be_read_is_gradable(grader: ProcessGrader) -> None:
    for truth in ("5", r"\text{Evelyn}", "(3,4]", "x=5", '["1/2", "half"]'):
        assert await grader.is_gradable(truth)


async def test_answers_cannot_run_code(grader: ProcessGrader, tmp_path: Path) -> None:
    file = tmp_path / "made-by-an-answer"
    for attack in (f"__import__('pathlib').Path('{file}').touch()", f"open('{file}','w')"):
        await grader.grade(attack, truth=r"\sqrt{2}")
    assert not file.exists()


async def test_the_fake_agrees_on_plain_pairs() -> None:
    fake = PlainGrader()
    assert await fake.grade("1,000", truth="1000") is Verdict.EQUAL
    assert await fake.grade("x+1", truth="1+x") is Verdict.DIFFERENT
    assert await fake.is_gradable("5")
    assert not await fake.is_gradable(" ")
    await fake.close()
