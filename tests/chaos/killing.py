"""Searches through Celery while their workers are killed: the killer, a round, and its trees.

A worker is stopped before it is looked at and killed, so that what it is seen to hold is what it
loses.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

import psutil
from sqlalchemy import text

from db.queries import checkpoints, datasets, problems, runs, searches
from db.records.datasets import DatasetItemRecord
from db.records.runs import RunRow
from db.session import Database
from db.vocabulary import CheckpointKind, DatasetKind, Split
from services.embedded.engines import Engines
from services.rollouts import tasks
from services.work.waiting import Waiting

TREES = (
    "SELECT s.problem_id, s.seed, s.rollouts, s.node_count, s.solved, s.generated_tokens,"
    " n.node_no,"
    " n.parent_no, n.depth, n.kind, n.outcome, n.terminal_reason, n.verdict, n.leads_to_correct,"
    " n.leads_to_wrong, n.visit_count, n.value_sum, n.reward, n.proposals, n.text, n.observation,"
    " n.error FROM nodes n JOIN searches s ON s.id = n.search_id WHERE s.round_id = :round_id"
    " ORDER BY s.problem_id, n.node_no"
)
HELD = (
    "SELECT count(*) FILTER (WHERE rollouts > 0) AS resumable, count(*) AS held FROM searches"
    " WHERE round_id = :round_id AND status = 'leased' AND lease_owner = :owner"
)
SHAPE = (
    "SELECT count(DISTINCT s.id) AS searches,"
    " count(DISTINCT s.id) FILTER (WHERE s.solved) AS solved, count(*) AS nodes,"
    " count(*) FILTER (WHERE n.verdict = 'different') AS wrong,"
    " count(*) FILTER (WHERE n.outcome <> 'ok') AS not_ok"
    " FROM nodes n JOIN searches s ON s.id = n.search_id WHERE s.round_id = :round_id"
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
        for owner in searches.LEASES.owners(self.database, self.round_id):
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


class Shape(NamedTuple):
    """What there is in the trees of a round."""

    trees: int
    solved: int
    nodes: int
    wrong_answers: int
    failed_steps: int

    @property
    def is_trivial(self) -> bool:
        """Whether the trees have too little in them for their equality to say much."""
        lacking = min(self.solved, self.wrong_answers, self.failed_steps) == 0
        return lacking or self.nodes <= 3 * self.trees


@dataclass(frozen=True)
class SearchedRound:
    """A finished round: every value of its trees that does not depend on the clock."""

    trees: list[tuple[object, ...]]
    shape: Shape
    killer: Killer


def record_policy(database: Database, run: RunRow, folder: Path) -> int:
    """Record a policy as if the run's bootstrap had trained it; returns its number."""
    (problem, *_) = problems.of_run(database, run.id, Split.TRAIN)
    with database.begin() as connection:
        solved = text("UPDATE problems SET solution = 'worked' WHERE id = :id")
        connection.execute(solved, {"id": problem.id})
    dataset = datasets.create(
        database,
        run_id=run.id,
        round_number=0,
        kind=DatasetKind.SFT,
        spec={},
        items=[DatasetItemRecord(problem_id=problem.id, group_key="g", prompt="p", chosen="c")],
    )
    return checkpoints.record(
        database,
        run_id=run.id,
        round_number=0,
        kind=CheckpointKind.POLICY,
        path=str(folder),
        started_from="none",
        dataset_id=dataset.id,
        content_hash="none",
        metrics={},
    ).id


def search_round(
    engines: Engines, run: RunRow, number: int, *, policy: int | None, moments: Sequence[int]
) -> SearchedRound:
    """Search every problem of the run in a round, through the broker and the workers."""
    database = engines.database()
    this_round = runs.start_round(
        database, run_id=run.id, number=number, policy_checkpoint_id=policy, ppm_checkpoint_id=None
    )
    ids = [problem.id for problem in problems.of_run(database, run.id, Split.TRAIN)]
    engines.start_broker()
    killer = Killer(database, this_round.id, list(moments))
    thread = threading.Thread(target=killer.run)
    thread.start()
    try:
        Waiting(
            leases=searches.LEASES,
            count=searches.progress,
            noun="searches",
            notify=lambda: tasks.search_round.notify(engines.broker_url(), this_round.id),
            keep_alive=engines.keep_alive,
            progress=lambda _: None,
            plan=lambda _: searches.plan(database, this_round.id, ids, seed=7),
        ).wait(database, this_round.id)
    finally:
        killer.over.set()
        thread.join()
    with database.begin() as connection:
        values = {"round_id": this_round.id}
        trees = [tuple(row) for row in connection.execute(text(TREES), values)]
        shape = Shape(*connection.execute(text(SHAPE), values).one())
    return SearchedRound(trees, shape, killer)
