"""The search trees that the items of a dataset version come from, a page at a time."""

from __future__ import annotations

from dataclasses import replace
from itertools import groupby
from typing import TYPE_CHECKING, Any

from sqlalchemy import text

from db.bulk import read_trees
from db.records.datasets import StoredTree

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sqlalchemy import Row

    from db.session import Database

_SEARCHES = """
    SELECT DISTINCT coalesce(t.round_id, q.round_id) AS round_id,
                    coalesce(t.search_id, q.search_id) AS search_id
    FROM dataset_items AS i
    LEFT JOIN trajectories AS t ON t.id = i.trajectory_id
    LEFT JOIN preference_pairs AS q ON q.id = i.pair_id
    WHERE i.dataset_id = :id AND coalesce(t.search_id, q.search_id) IS NOT NULL
"""


def count(database: Database, dataset_id: int) -> int:
    """How many searches the items of a version come from."""
    with database.begin() as connection:
        found: int = connection.execute(
            text(f"SELECT count(*) FROM ({_SEARCHES}) AS s"),  # noqa: S608  # a constant
            {"id": dataset_id},
        ).scalar_one()
    return found


def stream(database: Database, dataset_id: int, *, first: int, limit: int) -> Iterator[StoredTree]:
    """Trees from place `first` on, at most `limit`, by round and search; one is held at a time."""
    with database.begin() as connection:
        rows = connection.execute(
            text(
                f"""
                WITH wanted AS (
                    {_SEARCHES} ORDER BY round_id, search_id LIMIT :limit OFFSET :first
                )
                SELECT w.round_id, s.id AS search_id, u.name AS run_name, r.number AS round_number,
                       s.seed, p.id AS problem_id, p.source, p.question, p.answer, s.solved,
                       s.rollouts, s.sandbox
                FROM wanted AS w
                JOIN searches AS s ON s.id = w.search_id
                JOIN rounds AS r ON r.id = w.round_id
                JOIN runs AS u ON u.id = r.run_id
                JOIN problems AS p ON p.id = s.problem_id
                ORDER BY w.round_id, s.id
                """  # noqa: S608  # a constant
            ),
            {"id": dataset_id, "first": first, "limit": limit},
        ).all()
        for round_id, of_round in groupby(rows, key=lambda row: row.round_id):
            searches = {row.search_id: _tree(row) for row in of_round}
            for search_id, nodes in read_trees(connection, round_id, list(searches)):
                yield replace(searches[search_id], nodes=nodes)


def _tree(row: Row[tuple[Any, ...]]) -> StoredTree:
    """A search without its nodes."""
    return StoredTree(
        search_id=row.search_id,
        run_name=row.run_name,
        round_number=row.round_number,
        seed=row.seed,
        problem_id=row.problem_id,
        source=row.source,
        question=row.question,
        answer=row.answer,
        solved=row.solved,
        rollouts=row.rollouts,
        sandbox=row.sandbox,
    )
