"""Two hundred searches through Celery, whose workers are killed twenty times on the way.

The trees are those of an undisturbed round with the same seeds: nothing is lost, nothing counted
twice, and what a killed worker had stored is gone on from.
"""

from __future__ import annotations

import random
import threading
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import psutil
import pytest
from sqlalchemy import text

from db.queries import integrity, problems, runs, searches
from db.records.problems import RunProblemRecord
from db.records.runs import RunRow
from db.session import Database
from db.vocabulary import Split
from services.config import SandboxChoice, Settings
from services.embedded.engines import Engines
from services.profiles import Profile, RoundProfile, SearchProfile
from services.rollouts.stage import search_stage
from services.rollouts.tasks import ring
from tests.e2e.conftest import scripted_url
from tests.factories import stored_problems

__all__ = ["scripted_url"]  # the fixture of the end-to-end tests

SEARCHES = 200
KILLS = 20
ROLLOUTS = 4
SEARCH = SearchProfile(
    rollouts=ROLLOUTS, candidates=3, max_depth=6, trees_in_flight=16, checkpoint_rollouts=1
)
PROFILE = Profile(
    name="killed",
    description="Short searches of which each stores its progress often.",
    source="sums",
    source_problems=SEARCHES,
    held_out=1,
    problems_per_round=SEARCHES,
    rounds=(RoundProfile(search=SEARCH), RoundProfile(search=SEARCH)),
)
TREES = (
    "SELECT s.problem_id, s.seed, s.rollouts, s.node_count, s.solved, s.generated_tokens,"
    " n.node_no,"
    " n.parent_no, n.depth, n.kind, n.outcome, n.terminal_reason, n.verdict, n.leads_to_correct,"
    " n.leads_to_wrong, n.visit_count, n.value_sum, n.reward, n.proposals, n.text, n.observation,"
    " n.error FROM nodes n JOIN searches s ON s.id = n.search_id WHERE s.round_id = :round_id"
    " ORDER BY s.problem_id, n.node_no"
)
HELD = (
    "SELECT count(*) FILTER (WHERE rollouts > 0), count(*) FROM searches"
    " WHERE round_id = :round_id AND status = 'leased' AND lease_owner = :owner"
)
STORED = "SELECT coalesce(sum(rollouts), 0) FROM searches WHERE round_id = :round_id"


@dataclass
class Killer:
    """Kills a worker that holds searches whenever the round has stored so many more rollouts."""

    database: Database
    round_id: int
    moments: list[int]
    kills: int = 0
    interrupted: int = 0
    """Searches with stored rollouts that a killed worker held."""
    over: threading.Event = field(default_factory=threading.Event)

    def run(self) -> None:
        for moment in self.moments:
            while self._ask(STORED)[0] < moment or not self._kill():
                if self.over.wait(0.05):
                    return

    def _kill(self) -> bool:
        for owner in searches.owners(self.database, self.round_id):
            with suppress(psutil.NoSuchProcess):
                worker = psutil.Process(int(owner.partition(":")[2]))
                worker.suspend()  # so that what it holds is what it is killed with
                resumable, held = self._ask(HELD, owner=owner)
                parent = worker.parent()
                worker.kill()
                # Mostly the process that searches alone, which its parent replaces at once; the
                # whole worker starts anew in seconds.
                if self.kills % 4 == 0 and parent is not None and _is_celery(parent):
                    parent.kill()
                self.kills += held > 0
                self.interrupted += resumable
                return held > 0
        return False

    def _ask(self, query: str, **values: object) -> tuple[int, ...]:
        with self.database.begin() as connection:
            return tuple(
                connection.execute(text(query), {"round_id": self.round_id, **values}).one()
            )


def _is_celery(process: psutil.Process) -> bool:
    return any("celery" in word for word in process.cmdline())


@pytest.fixture
def engines(tmp_path: Path, scripted_url: str) -> Iterator[Engines]:
    settings = Settings(
        home=tmp_path / "home",
        policy_url=scripted_url,
        ppm_url=scripted_url,
        bootstrap_url=scripted_url,
        bootstrap_model="scripted-arithmetic",
        sandbox=SandboxChoice.LOCAL,
        workers=2,
    )
    with Engines(settings) as engines:
        yield engines
        engines.stop()


def stored_run(database: Database) -> RunRow:
    ids = stored_problems(database, SEARCHES)
    return runs.create(
        database,
        name="killed",
        profile=PROFILE.model_dump(mode="json"),
        base_model="none",
        problems=[RunProblemRecord(problem_id, Split.TRAIN) for problem_id in ids],
    )


def search_round(
    engines: Engines, run: RunRow, number: int, *, moments: list[int]
) -> tuple[list[tuple[object, ...]], Killer]:
    """Search every problem of the run in a round, through the broker and the workers."""
    database = engines.database()
    this_round = runs.start_round(
        database, run_id=run.id, number=number, policy_checkpoint_id=None, ppm_checkpoint_id=None
    )
    ids = [problem.id for problem in problems.of_run(database, run.id, Split.TRAIN)]
    engines.start_broker()
    killer = Killer(database, this_round.id, moments)
    thread = threading.Thread(target=killer.run)
    thread.start()
    try:
        search_stage(
            database,
            this_round.id,
            plan=lambda _: searches.plan(database, this_round.id, ids, seed=7),
            ring=lambda: ring(engines.broker_url(), this_round.id),
            keep_alive=engines.keep_alive,
            progress=lambda _: None,
        )
    finally:
        killer.over.set()
        thread.join()
    with database.begin() as connection:
        rows = connection.execute(text(TREES), {"round_id": this_round.id})
        return [tuple(row) for row in rows], killer


@pytest.mark.slow
def test_searches_whose_workers_are_killed_twenty_times_end_in_the_undisturbed_trees(
    engines: Engines,
) -> None:
    run = stored_run(engines.database())
    undisturbed, _ = search_round(engines, run, 1, moments=[])
    # Drawn from the whole of the work but its end, where nobody holds anything to be killed with.
    dice = random.Random(20)
    moments = sorted(dice.sample(range(SEARCHES * ROLLOUTS * 9 // 10), KILLS))
    disturbed, killer = search_round(engines, run, 2, moments=moments)
    assert killer.kills == KILLS
    assert killer.interrupted > 0
    assert "goes on after rollout" in "".join(
        log.read_text() for log in engines.home.logs.glob("worker-*.log")
    )
    assert disturbed == undisturbed
    assert len({row[0] for row in disturbed}) == SEARCHES
    assert integrity.violations(engines.database()) == []
