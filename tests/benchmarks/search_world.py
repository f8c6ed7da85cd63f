"""What a measured search stands on: problems, a model server, a database with open searches."""

from __future__ import annotations

import asyncio
import itertools
import json
import sys
import tempfile
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

import aiohttp
import psycopg

from db import migrate
from db.queries import problems, runs, searches
from db.records.problems import NewProblem, RunProblemRecord
from db.session import Database
from db.vocabulary import Split
from services.embedded import postgres
from services.embedded.home import open_home
from services.problems.records import content_hash
from services.problems.reference_solutions import convert
from tests.benchmarks.tree_policy import Solved, solved_problems

PROBLEMS = 400


@dataclass(frozen=True, slots=True)
class Latency:
    """The latency model of the simulated server."""

    tick_ms: float
    sequence_us: float
    slots: int = 512

    def __str__(self) -> str:
        return f"{self.tick_ms:g} ms + {self.sequence_us:g} us a sequence, {self.slots} slots"


@dataclass(frozen=True, slots=True)
class ServerStats:
    """What a simulated server says of the time since it was asked to count."""

    wall_seconds: float
    busy_share: float
    """Share of the time in which a tick ran."""
    slot_share: float
    """Mean share of the slots that were taken."""
    tokens: int


@dataclass(frozen=True, slots=True)
class Server:
    """A model server under test."""

    url: str
    model: str

    async def reset(self) -> None:
        """Let a simulated server count anew; any other ignores it."""
        async with aiohttp.ClientSession() as session, session.post(self._stats_url):
            pass

    async def stats(self) -> ServerStats | None:
        """What it counted; None from a server that does not count."""
        async with aiohttp.ClientSession() as session, session.get(self._stats_url) as response:
            return ServerStats(**await response.json()) if response.status == 200 else None

    @property
    def _stats_url(self) -> str:
        return self.url.removesuffix("/v1") + "/stats"


def load_problems(path: Path | None) -> list[Solved]:
    """Problems whose reference solution converts to steps: of a JSONL file, or of reasoning-gym."""
    if path is None:
        return solved_problems(PROBLEMS, seed=5)
    found = []
    for line in path.read_text(encoding="utf-8").splitlines():
        item = json.loads(line)
        draft = convert(item["question"], item["answer"], item.get("solution") or "")
        if draft is not None:
            found.append(Solved(item["question"], item["answer"], draft.steps))
    if not found:
        sys.exit(f"No problem of {path} has a solution that converts to steps.")
    return found


@asynccontextmanager
async def simulated_server(latency: Latency, chosen: Sequence[Solved]) -> AsyncIterator[Server]:
    """A simulated server in a process of its own."""
    with tempfile.TemporaryDirectory() as folder:
        listed, port_file = Path(folder) / "problems.jsonl", Path(folder) / "port"
        listed.write_text("\n".join(json.dumps(asdict(problem)) for problem in chosen))
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "tests.benchmarks.simulated_server"),
            *("--problems", str(listed), "--port-file", str(port_file)),
            *("--tick-ms", str(latency.tick_ms), "--sequence-us", str(latency.sequence_us)),
            *("--slots", str(latency.slots)),
        )
        try:
            while not port_file.exists():
                if process.returncode is not None:
                    sys.exit("The simulated server did not start.")
                await asyncio.sleep(0.05)
            yield Server(f"http://127.0.0.1:{port_file.read_text().strip()}/v1", "simulated")
        finally:
            process.terminate()
            await process.wait()


@contextmanager
def embedded_database() -> Iterator[Database]:
    """An embedded Postgres with the schema and nothing in it."""
    with tempfile.TemporaryDirectory(prefix="bench") as folder:
        home = open_home(Path(folder))
        # Postgres runs as a user of its own where this is root.
        home.path.chmod(0o755)
        url = postgres.start(home)
        database = Database(url)
        try:
            migrate.ensure(database)
            yield database
        finally:
            database.close()
            postgres.stop(home)


def planned_searches(database: Database, chosen: Sequence[Solved], count: int) -> int:
    """A new run with a round of open searches, at least `count`. Returns the round's id."""
    problems.import_all(
        database,
        [
            NewProblem("bench", str(n), p.question, p.answer, None, content_hash(p.question))
            for n, p in enumerate(chosen)
        ],
    )
    ids = sorted(set(problems.ids_by_hash(database, [content_hash(p.question) for p in chosen])))
    with psycopg.connect(database.url) as connection:
        number = connection.execute("SELECT count(*) FROM runs").fetchone()[0]
    run = runs.create(
        database,
        name=f"bench {number}",
        profile={},
        base_model="simulated",
        problems=[RunProblemRecord(problem_id, Split.TRAIN) for problem_id in ids],
    )
    this_round = runs.start_round(
        database, run_id=run.id, number=1, policy_checkpoint_id=None, ppm_checkpoint_id=None
    )
    planned = 0
    for seed in itertools.count():
        planned += searches.plan(database, this_round.id, ids, seed=seed)
        if planned >= count:
            return this_round.id
    raise AssertionError
