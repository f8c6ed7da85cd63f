"""The ways to run a tree's steps: ours, and the three that the field uses.

Ours runs each step once, from the state of its parent. The others have no states, so they run a
step together with all that leads to it. Each way may use every core.
"""

from __future__ import annotations

import asyncio
import multiprocessing
import os
import statistics
import sys
import time
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING

from db.vocabulary import Outcome
from services.sandbox.base import ROOT_STATE

if TYPE_CHECKING:
    from collections.abc import Sequence

    from services.sandbox.base import SandboxProvider
    from tests.benchmarks.sandbox.workload import TreeSteps

CORES = len(os.sched_getaffinity(0))

_WARM = "from sympy import symbols, Eq, solve\nx = symbols('x')\nsolve(Eq(x, 1), x)"


@dataclass(frozen=True, slots=True)
class Sample:
    """What one way did in one stretch of time."""

    steps: int
    seconds: float
    latencies: tuple[float, ...] = ()
    """Seconds of each step, where they were measured."""

    @property
    def rate(self) -> float:
        """Steps a second."""
        return self.steps / self.seconds

    def milliseconds(self, percent: int) -> float:
        """A percentile of the latencies."""
        return statistics.quantiles(self.latencies, n=100)[percent - 1] * 1000


async def through_sandbox(
    provider: SandboxProvider, trees: Sequence[TreeSteps], *, at_once: int
) -> Sample:
    """Every step of the trees, so many trees at a time. The siblings of a node are asked at once.

    Raises:
        RuntimeError: a step did not run; then nothing was measured.
    """
    room = asyncio.Semaphore(at_once)
    latencies: list[float] = []

    async def grow(tree: TreeSteps) -> None:
        async with room:
            session = await provider.open_session()
            parent = ROOT_STATE
            for depth, siblings in enumerate(tree.levels):
                states = await asyncio.gather(*(step(session, code, parent) for code in siblings))
                parent = states[tree.goes_on(depth)]
            await session.close()

    async def step(session: object, code: str, parent: int) -> int:
        started = time.perf_counter()
        state, execution = await session.execute(code, parent=parent)  # type: ignore[attr-defined]
        latencies.append(time.perf_counter() - started)
        if execution.outcome is not Outcome.OK:
            raise RuntimeError(f"A step of the benchmark failed: {execution}")
        return int(state)

    started = time.perf_counter()
    await asyncio.gather(*(grow(tree) for tree in trees))
    return Sample(len(latencies), time.perf_counter() - started, tuple(latencies))


async def one_at_a_time(provider: SandboxProvider, trees: Sequence[TreeSteps]) -> Sample:
    """The same with no step waiting for another: what a step takes, not what a queue does."""
    latencies: list[float] = []
    for tree in trees:
        session = await provider.open_session()
        parent = ROOT_STATE
        for depth, siblings in enumerate(tree.levels):
            states = []
            for code in siblings:
                started = time.perf_counter()
                state, _ = await session.execute(code, parent=parent)
                latencies.append(time.perf_counter() - started)
                states.append(state)
            parent = states[tree.goes_on(depth)]
        await session.close()
    return Sample(len(latencies), sum(latencies), tuple(latencies))


def programs(trees: Sequence[TreeSteps], count: int) -> list[str]:
    """Steps with all that leads to them, spread evenly over depths and siblings."""
    every = [
        "\n".join([*tree.prefix(depth), code])
        for tree in trees
        for depth, siblings in enumerate(tree.levels)
        for code in siblings
    ]
    return every[:: max(1, len(every) // count)][:count]


async def by_fresh_interpreter(command: Sequence[str], texts: Sequence[str]) -> Sample:
    """Each program in an interpreter of its own, which `command` starts to read standard input."""
    room = asyncio.Semaphore(CORES)

    async def run(text: str) -> None:
        async with room:
            process = await asyncio.create_subprocess_exec(
                *command,
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.PIPE,
            )
            _, errors = await process.communicate(text.encode())
            if process.returncode:
                raise RuntimeError(f"{command[0]} failed: {errors.decode()[-500:]}")

    started = time.perf_counter()
    await asyncio.gather(*(run(text) for text in texts))
    return Sample(len(texts), time.perf_counter() - started)


def by_exec(texts: Sequence[str]) -> Sample:
    """Each program by `exec` in a worker process, without isolation or limits (rStar-Math's way).

    The workers have imported and used sympy before the clock starts.
    """
    parts = [list(texts[core::CORES]) for core in range(CORES)]
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(CORES, mp_context=context, initializer=_get_warm) as pool:
        list(pool.map(_exec_all, [[_WARM]] * CORES, chunksize=1))
        started = time.perf_counter()
        list(pool.map(_exec_all, parts, chunksize=1))
        return Sample(len(texts), time.perf_counter() - started)


def python_command() -> list[str]:
    """A fresh interpreter of this environment."""
    return [sys.executable, "-"]


def _get_warm() -> None:
    exec(_WARM, {})
    sys.stdout = open(os.devnull, "w", encoding="utf-8")  # noqa: PTH123, SIM115


def _exec_all(texts: Sequence[str]) -> None:
    for text in texts:
        exec(text, {})
