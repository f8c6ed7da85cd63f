"""Figure 2: trajectory selection and pair mining over rounds of growing size.

Each round is mined three times, its trajectories and pairs taken away in between; medians. On one
round rStar-Math's released way (`tests.benchmarks.released_walk`) mines the same trees from JSON,
on every core.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from time import perf_counter

from sqlalchemy import text

from db import bulk
from db.queries import mining
from db.records.runs import RoundRow
from db.records.searches import NodeRecord
from db.session import Database
from tests.benchmarks import released_walk

REPEATS = 3


@dataclass(frozen=True, slots=True)
class Round:
    """One round, mined."""

    nodes: int
    trajectories: int
    pairs: int
    seconds: float


@dataclass(frozen=True, slots=True)
class Walked:
    """The same trees, mined the released way."""

    nodes: int
    traces: int
    pairs: int
    seconds: float
    json_bytes: int


def measure(database: Database, this_round: RoundRow) -> Round:
    """Mine a filled round."""
    seconds = []
    for _ in range(REPEATS):
        with database.begin() as connection:
            connection.execute(text("TRUNCATE trajectories, preference_pairs CASCADE"))
        started = perf_counter()
        mined = mining.mine(database, this_round.id)
        seconds.append(perf_counter() - started)
    with database.begin() as connection:
        nodes: int = connection.execute(
            text("SELECT sum(node_count)::bigint FROM searches WHERE round_id = :round_id"),
            {"round_id": this_round.id},
        ).scalar_one()
    return Round(nodes, mined.trajectories, mined.pairs, median(seconds))


def walk(database: Database, this_round: RoundRow) -> Walked:
    """Write a round's trees as JSON, which is not timed, and mine them from it, which is."""
    with tempfile.TemporaryDirectory() as folder:
        source = Path(folder) / "trees.jsonl"
        released_walk.write_trees(source, _trees(database, this_round))
        started = perf_counter()
        traces, pairs = released_walk.mine(
            source, Path(folder) / "traces.jsonl", Path(folder) / "pairs.jsonl"
        )
        seconds = perf_counter() - started
        with database.begin() as connection:
            nodes: int = connection.execute(
                text("SELECT sum(node_count)::bigint FROM searches WHERE round_id = :round_id"),
                {"round_id": this_round.id},
            ).scalar_one()
        return Walked(nodes, traces, pairs, seconds, source.stat().st_size)


def _trees(
    database: Database, this_round: RoundRow
) -> Iterator[tuple[str, str, tuple[NodeRecord, ...]]]:
    with database.begin() as connection:
        problems = {
            row.id: (row.question, row.answer)
            for row in connection.execute(
                text(
                    "SELECT s.id, p.question, p.answer FROM searches AS s "
                    "JOIN problems AS p ON p.id = s.problem_id WHERE s.round_id = :round_id"
                ),
                {"round_id": this_round.id},
            )
        }
        for search_id, nodes in bulk.read_trees(connection, this_round.id):
            yield (*problems[search_id], nodes)
