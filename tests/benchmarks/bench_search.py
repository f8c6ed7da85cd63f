"""How busy the engine keeps a model server, and what it costs: against a lockstep schedule.

    python -m tests.benchmarks.bench_search [--trees 16,64,256,1024] [--sandbox local|docker]
        [--policy-url URL] [--problems FILE.jsonl] [--seconds 15]

Everything is real but the model: embedded Postgres, the sandbox, the grader, the HTTP client. The
model server is a process with a stated latency model (`tests.benchmarks.simulated_server`), once
with slow ticks, where the server is the limit, and once with fast ones, where the processor is. For
each number of trees the engine searches for `--seconds` (longer for very many trees), then lockstep
schedules of the same work (`tests.benchmarks.lockstep`) do. Prints tables and writes
build/bench/search.json. Trees that are not finished when the time is up count with the steps
that have run.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import os
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from rich.console import Console
from rich.table import Table
from sqlalchemy import text

from db.session import Database
from services.config import REPOSITORY, SandboxChoice
from services.grading.process import ProcessGrader
from services.inference.client import HttpPolicy
from services.profiles import Sampling, SearchProfile
from services.rollouts.engine import Equipment, RolloutEngine
from services.sandbox.base import Execution, Isolation, Limits, SandboxProvider, SandboxSession
from services.sandbox.factory import open_provider
from services.steps import Candidate
from tests.benchmarks.lockstep import Grown, grow_in_lockstep
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
RESULT = REPOSITORY / "build" / "bench" / "search.json"


@dataclass(slots=True)
class Watched:
    """A policy, and the time in which it has a request in flight."""

    policy: HttpPolicy
    in_flight: int = 0
    seconds: float = 0.0
    since: float = 0.0

    async def propose(
        self, prompt: str, *, count: int, seed: int, affinity: int
    ) -> list[Candidate]:
        if not self.in_flight:
            self.since = time.monotonic()
        self.in_flight += 1
        try:
            return await self.policy.propose(prompt, count=count, seed=seed, affinity=affinity)
        finally:
            self.in_flight -= 1
            if not self.in_flight:
                self.seconds += time.monotonic() - self.since


@dataclass(slots=True)
class CountedSandbox:
    """A sandbox that counts the steps that have run, also those of unfinished expansions."""

    sandbox: SandboxProvider
    executed: int = 0

    @property
    def isolation(self) -> Isolation:
        return self.sandbox.isolation

    async def open_session(self) -> CountedSession:
        return CountedSession(self, await self.sandbox.open_session())


@dataclass(slots=True)
class CountedSession:
    counter: CountedSandbox
    session: SandboxSession

    async def execute(self, code: str, *, parent: int) -> tuple[int, Execution]:
        done = await self.session.execute(code, parent=parent)
        self.counter.executed += 1
        return done

    def recall(self, code: str, *, parent: int) -> int:
        return self.session.recall(code, parent=parent)

    async def close(self) -> None:
        await self.session.close()


@dataclass(frozen=True, slots=True)
class Measurement:
    """What the engine did with so many trees."""

    trees: int
    nodes: int
    """Steps that were evaluated, those of expansions that were cut at the end included."""
    seconds: float
    cpu_ms_per_node: float
    """Processor time of this process: engine, clients of every other process, storage."""
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


@dataclass(frozen=True, slots=True)
class Row:
    """Everything about one number of trees."""

    slow: Measurement
    fast: Measurement
    in_sandbox: Grown
    in_pool: Grown


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
                RolloutEngine(self.database, equipment, profile, owner="bench").run(round_id)
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
            return connection.execute(
                text(
                    "SELECT count(*) FROM nodes WHERE round_id = :round_id "
                    "AND kind NOT IN ('code', 'final_code')"
                ),
                {"round_id": round_id},
            ).scalar_one()

    async def lockstep(self, server: Server, trees: int, *, in_sandbox: bool) -> Grown:
        """A lockstep schedule of the same work."""
        async with policy_of(server) as policy, ProcessGrader() as grader:
            return await grow_in_lockstep(
                [self.problems[number % len(self.problems)] for number in range(trees)],
                *(PROFILE, policy, grader),
                sandbox=self.sandbox if in_sandbox else None,
                seconds=self.time_for(trees),
            )

    def time_for(self, trees: int) -> float:
        """Seconds of a measurement: more where more trees must each get their turn."""
        return max(self.seconds, trees / TREES_A_SECOND)


def policy_of(server: Server) -> HttpPolicy:
    return HttpPolicy([server.url], model=server.model, sampling=SAMPLING)


async def measure(bench: Bench, counts: Sequence[int], *, slow: Server, fast: Server) -> list[Row]:
    """Every measurement for every number of trees."""
    rows = []
    for trees in counts:
        rows.append(
            Row(
                slow=await bench.engine(slow, trees),
                fast=await bench.engine(fast, trees),
                in_sandbox=await bench.lockstep(fast, trees, in_sandbox=True),
                in_pool=await bench.lockstep(fast, trees, in_sandbox=False),
            )
        )
        report(rows)
    return rows


def report(rows: Sequence[Row]) -> None:
    """Print the newest row; the first with the heads."""
    table = Table(
        *("trees", "slow ticks: busy", "slots taken", "nodes/s", "fast ticks: nodes/s"),
        *("engine ms/node", "lockstep nodes/s", "times", "in a pool nodes/s", "times"),
    )
    for row in rows:
        taken = f"{row.slow.server.slot_share:.0%}" if row.slow.server else "-"
        table.add_row(
            *(str(row.slow.trees), f"{row.slow.busy_share:.1%}", taken, f"{row.slow.rate:.0f}"),
            *(f"{row.fast.rate:.0f}", f"{row.fast.cpu_ms_per_node:.2f}"),
            *(f"{row.in_sandbox.rate:.0f}", f"{row.fast.rate / row.in_sandbox.rate:.1f}"),
            *(f"{row.in_pool.rate:.0f}", f"{row.fast.rate / row.in_pool.rate:.1f}"),
        )
    Console().print(table)


def summary(rows: Sequence[Row], sandbox: str) -> dict[str, object]:
    """What the file holds: the figures at 256 trees, and each by the number of trees."""
    by_trees = {
        "busy_share": {row.slow.trees: row.slow.busy_share for row in rows},
        "nodes_per_second": {row.fast.trees: row.fast.rate for row in rows},
        "vs_lockstep": {row.fast.trees: row.fast.rate / row.in_sandbox.rate for row in rows},
        "vs_lockstep_in_pool": {row.fast.trees: row.fast.rate / row.in_pool.rate for row in rows},
        "engine_cpu_ms_per_node": {row.fast.trees: row.fast.cpu_ms_per_node for row in rows},
    }
    chosen = min((row.fast.trees for row in rows), key=lambda trees: abs(trees - SHOWN_TREES))
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
    parser.add_argument("--seconds", type=float, default=12.0, help="of each measurement, at least")
    parser.add_argument("--sandbox", default="local", choices=["local", "docker"])
    parser.add_argument("--policy-url", default="", help="another server, for all measurements")
    parser.add_argument("--model", default="simulated", help="the model's name there")
    parser.add_argument("--problems", type=Path, help="JSONL: id, question, answer, solution")
    asyncio.run(run(parser.parse_args()))


if __name__ == "__main__":
    main()
