"""How busy the engine keeps a model server, and what it costs: against a lockstep schedule.

    python -m tests.benchmarks.bench_search [--trees 16,64,256,1024] [--sandbox local|docker]
        [--policy-url URL] [--problems FILE.jsonl] [--seconds 10]

Everything is real but the model: embedded Postgres, the sandbox, the grader, the HTTP client. The
model server is a process with a stated latency model (`tests.benchmarks.simulated_server`), once
with slow ticks, where the server is the limit, and once with fast ones, where the processor is. For
each number of trees the engine searches for `--seconds` (longer for very many trees), then, over
the fast ticks, the same work is done in lockstep in the same sandbox (`tests.benchmarks.lockstep`)
and as rStar-Math's released solver does it (`tests.benchmarks.released_solver`); this one also over
the slow ticks, for one number of trees. Prints tables and writes build/bench/search.json. Trees
that are not finished when the time is up count with the steps that have run; lockstep schedules
end with the depth that they are in.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import os
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from rich.console import Console
from rich.table import Table
from sqlalchemy import text

from db.session import Database
from services.config import REPOSITORY, SandboxChoice
from services.grading.process import ProcessGrader
from services.inference.client import HttpPolicy
from services.profiles import Sampling, SearchProfile
from services.rollouts.engine import Equipment, search_worker
from services.sandbox.base import Limits, SandboxProvider
from services.sandbox.factory import open_provider
from tests.benchmarks.lockstep import Grown, grow_in_lockstep
from tests.benchmarks.released_solver import solve
from tests.benchmarks.search_counters import CountedSandbox, Watched
from tests.benchmarks.search_world import (
    Latency,
    Server,
    ServerStats,
    embedded_database,
    load_problems,
    planned_searches,
    simulated_server,
)
from tests.benchmarks.tree_policy import Solved

SLOW = Latency(tick_ms=20, sequence_us=20)
FAST = Latency(tick_ms=2, sequence_us=2)
SAMPLING = Sampling(max_step_tokens=256)
PROFILE = SearchProfile(rollouts=4, candidates=8, sampling=SAMPLING, checkpoint_rollouts=4)
UNLIMITED = 1 << 40
"""Tokens in flight; here the number of trees is what is varied."""
SHOWN_TREES = 256
TREES_A_SECOND = 32
SLOW_TIMES = 3
"""The released solver is given so much longer over slow ticks, that it comes some depths far."""
RESULT = REPOSITORY / "build" / "bench" / "search.json"

console = Console()


@dataclass(frozen=True, slots=True)
class Measurement:
    """What the engine, or the released solver, did with so many trees."""

    trees: int
    nodes: int
    """Steps that were evaluated, those of expansions that were cut at the end included."""
    seconds: float
    cpu_ms_per_node: float
    """Processor time of this process: engine, clients of every other process, storage. Of the
    released solver with its pools, in which the steps run; the engine's sandbox is not in it."""
    asked_share: float
    """Share of the time with a request in flight."""
    server: ServerStats | None

    @property
    def rate(self) -> float:
        return self.nodes / self.seconds

    @property
    def busy_share(self) -> float:
        """As the server counts; as its client sees it where it does not."""
        return self.server.busy_share if self.server else self.asked_share

    @property
    def tokens_per_second(self) -> float:
        """Generated ones; 0 where the server does not count."""
        return self.server.tokens / self.seconds if self.server else 0.0


@dataclass(frozen=True, slots=True)
class Row:
    """Everything about one number of trees."""

    slow: Measurement
    fast: Measurement
    in_sandbox: Grown
    released: Measurement
    released_slow: Measurement | None = None

    @property
    def times_in_tokens(self) -> float:
        """The engine over the released schedule, fast ticks; 0 where the server does not count."""
        other = self.released.tokens_per_second
        return self.fast.tokens_per_second / other if other else 0.0


@dataclass(frozen=True, slots=True)
class Bench:
    """One sandbox and one database; measurements one after the other."""

    database: Database
    sandbox: SandboxProvider
    problems: Sequence[Solved]
    seconds: float

    async def engine(self, server: Server, trees: int) -> Measurement:
        """Let the engine search for so long, with more searches than it can finish."""
        round_id = planned_searches(self.database, self.problems, 8 * trees)
        profile = PROFILE.model_copy(
            update={"trees_in_flight": trees, "tokens_in_flight": UNLIMITED}
        )
        async with policy_of(server) as policy, ProcessGrader() as grader:
            watched = Watched(policy)
            sandbox = CountedSandbox(self.sandbox)
            equipment = Equipment(watched, None, sandbox, grader)
            run = asyncio.create_task(
                search_worker(self.database, equipment, profile, owner="bench").run(round_id)
            )
            await server.reset()
            started, cpu, asked = time.monotonic(), time.process_time(), watched.seconds
            await asyncio.wait([run], timeout=self.time_for(trees))
            # Giving the searches back, after the time is up, is not counted.
            wall, cpu = time.monotonic() - started, time.process_time() - cpu
            executed = sandbox.executed
            asked = watched.seconds - asked
            if watched.in_flight:
                asked += time.monotonic() - max(watched.since, started)
            stats = await server.stats()
            run.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await run
        nodes = executed + self._not_executed(round_id)
        return Measurement(trees, nodes, wall, 1000 * cpu / nodes, min(1, asked / wall), stats)

    def _not_executed(self, round_id: int) -> int:
        """Nodes that nothing was run for: roots, answers, and what is no step."""
        with self.database.begin() as connection:
            query = text(
                "SELECT count(*) FROM nodes WHERE round_id = :round_id "
                "AND kind NOT IN ('code', 'final_code')"
            )
            return int(connection.execute(query, {"round_id": round_id}).scalar_one())

    async def lockstep(self, server: Server, trees: int) -> Grown:
        """The lockstep schedule of the same work."""
        async with policy_of(server) as policy, ProcessGrader() as grader:
            return await grow_in_lockstep(
                self._chosen(trees),
                *(PROFILE, policy, grader),
                sandbox=self.sandbox,
                seconds=self.time_for(trees),
            )

    async def released(self, server: Server, trees: int, *, times: int = 1) -> Measurement:
        """The same work as the released solver does it."""
        async with policy_of(server) as policy:
            watched = Watched(policy)
            await server.reset()
            seconds = times * self.time_for(trees)
            grown = await solve(self._chosen(trees), PROFILE, watched, seconds=seconds)
            stats = await server.stats()
        cpu_ms = 1000 * grown.cpu_seconds / grown.nodes
        asked_share = min(1, watched.seconds / grown.seconds)
        return Measurement(trees, grown.nodes, grown.seconds, cpu_ms, asked_share, stats)

    def _chosen(self, trees: int) -> list[Solved]:
        return [self.problems[number % len(self.problems)] for number in range(trees)]

    def time_for(self, trees: int) -> float:
        """Seconds of a measurement: more where more trees must each get their turn."""
        return max(self.seconds, trees / TREES_A_SECOND)


def policy_of(server: Server) -> HttpPolicy:
    return HttpPolicy([server.url], model=server.model, sampling=SAMPLING)


async def measure(bench: Bench, counts: Sequence[int], *, slow: Server, fast: Server) -> list[Row]:
    """Every measurement for every number of trees."""
    rows = []
    for trees in counts:
        row = Row(
            slow=await bench.engine(slow, trees),
            fast=await bench.engine(fast, trees),
            in_sandbox=await bench.lockstep(fast, trees),
            released=await bench.released(fast, trees),
        )
        if trees == shown_trees(counts):
            row = replace(row, released_slow=await bench.released(slow, trees, times=SLOW_TIMES))
        rows.append(row)
        console.print(f"{trees} trees: {row.fast.rate:.0f} nodes/s", highlight=False)
    report(rows)
    return rows


def shown_trees(counts: Sequence[int]) -> int:
    """The number of trees whose figures are shown."""
    return min(counts, key=lambda trees: abs(trees - SHOWN_TREES))


def report(rows: Sequence[Row]) -> None:
    """Print the tables.

    The released schedule counts every candidate as a node where the engine counts equal ones once,
    so the two are compared by generated tokens too.
    """
    engine = Table(
        *("trees", "slow: busy", "slots taken", "nodes/s", "fast: nodes/s", "ms/node"),
        *("lockstep: nodes/s", "times"),
        title="engine, and lockstep in its sandbox",
    )
    released = Table(
        *("trees", "fast: nodes/s", "times", "in tokens", "ms/node"),
        *("slow: nodes/s", "times", "busy", "engine: busy"),
        title="released schedule",
    )
    for row in rows:
        taken = f"{row.slow.server.slot_share:.0%}" if row.slow.server else "-"
        engine.add_row(
            *(str(row.slow.trees), f"{row.slow.busy_share:.1%}", taken, f"{row.slow.rate:.0f}"),
            *(f"{row.fast.rate:.0f}", f"{row.fast.cpu_ms_per_node:.2f}"),
            *(f"{row.in_sandbox.rate:.0f}", f"{row.fast.rate / row.in_sandbox.rate:.1f}"),
        )
        cells = [f"{row.released.rate:.0f}", f"{row.fast.rate / row.released.rate:.1f}"]
        by_tokens = row.times_in_tokens
        cells += [f"{by_tokens:.1f}" if by_tokens else "-", f"{row.released.cpu_ms_per_node:.2f}"]
        if slow := row.released_slow:
            cells += [f"{slow.rate:.0f}", f"{row.slow.rate / slow.rate:.1f}"]
            cells += [f"{slow.busy_share:.1%}", f"{row.slow.busy_share:.1%}"]
        released.add_row(str(row.fast.trees), *cells)
    console.print(engine, released)


def summary(rows: Sequence[Row], sandbox: str) -> dict[str, object]:
    """What the file holds: the figures at 256 trees, and each by the number of trees."""
    slow = {row.slow.trees: row.released_slow for row in rows if row.released_slow}
    by_trees = {
        "busy_share": {row.slow.trees: row.slow.busy_share for row in rows},
        "nodes_per_second": {row.fast.trees: row.fast.rate for row in rows},
        "vs_lockstep": {row.fast.trees: row.fast.rate / row.in_sandbox.rate for row in rows},
        "vs_released": {row.fast.trees: row.fast.rate / row.released.rate for row in rows},
        "vs_released_in_tokens": {row.fast.trees: row.times_in_tokens for row in rows},
        "engine_cpu_ms_per_node": {row.fast.trees: row.fast.cpu_ms_per_node for row in rows},
        "released_nodes_per_second": {row.fast.trees: row.released.rate for row in rows},
        "released_cpu_ms_per_node": {row.fast.trees: row.released.cpu_ms_per_node for row in rows},
        "released_busy_share_slow": {trees: one.busy_share for trees, one in slow.items()},
        "released_nodes_per_second_slow": {trees: one.rate for trees, one in slow.items()},
    }
    chosen = shown_trees([row.fast.trees for row in rows])
    return {
        **{name: values[chosen] for name, values in by_trees.items()},
        "trees": chosen,
        "by_trees": by_trees,
        "sandbox": sandbox,
        "cores": os.cpu_count(),
        "latency": {"slow": str(SLOW), "fast": str(FAST)},
        "rows": [asdict(row) for row in rows],
    }


async def run(options: argparse.Namespace) -> None:
    """Set everything up, measure, and write the file."""
    problems = load_problems(options.problems)
    counts = [int(count) for count in options.trees.split(",")]
    sandbox = await open_provider(
        SandboxChoice(options.sandbox),
        image="stepforge-sandbox:latest",
        runtime="",
        allow_unisolated=True,
        limits=Limits(),
    )
    async with contextlib.AsyncExitStack() as stack:
        stack.push_async_callback(sandbox.close)
        database = stack.enter_context(embedded_database())
        bench = Bench(database, sandbox, problems, options.seconds)
        if options.policy_url:
            slow = fast = Server(options.policy_url, options.model)
        else:
            slow = await stack.enter_async_context(simulated_server(SLOW, problems))
            fast = await stack.enter_async_context(simulated_server(FAST, problems))
        rows = await measure(bench, counts, slow=slow, fast=fast)
    RESULT.parent.mkdir(parents=True, exist_ok=True)
    RESULT.write_text(json.dumps(summary(rows, options.sandbox), indent=1))


def main() -> None:
    """The entry point."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--trees", default="16,64,256,1024", help="numbers of open trees")
    parser.add_argument("--seconds", type=float, default=10.0, help="of each measurement, at least")
    parser.add_argument("--sandbox", default="local", choices=["local", "docker"])
    parser.add_argument("--policy-url", default="", help="another server, for all measurements")
    parser.add_argument("--model", default="simulated", help="the model's name there")
    parser.add_argument("--problems", type=Path, help="JSONL: id, question, answer, solution")
    asyncio.run(run(parser.parse_args()))


if __name__ == "__main__":
    main()
