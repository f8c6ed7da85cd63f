"""Reading the steps of paths through stored trees."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import text

from db.records.trees import PathStep
from db.vocabulary import StepKind

if TYPE_CHECKING:
    from collections.abc import Sequence

    from db.session import Database


def paths(
    database: Database, round_id: int, ends: Sequence[tuple[int, int]]
) -> dict[tuple[int, int], tuple[PathStep, ...]]:
    """The steps from the first to the given one, for each (search_id, node_no)."""
    if not ends:
        return {}
    wanted = sorted(set(ends))
    with database.begin() as connection:
        rows = connection.execute(
            text(
                """
                WITH RECURSIVE path AS (
                    SELECT e.search_id, e.node_no AS end_no, n.node_no, n.parent_no
                    FROM unnest(CAST(:searches AS bigint[]), CAST(:nodes AS int[]))
                         AS e (search_id, node_no)
                    JOIN nodes AS n ON n.round_id = :round_id AND n.search_id = e.search_id
                                   AND n.node_no = e.node_no
                    UNION ALL
                    SELECT p.search_id, p.end_no, n.node_no, n.parent_no
                    FROM path AS p
                    JOIN nodes AS n ON n.round_id = :round_id AND n.search_id = p.search_id
                                   AND n.node_no = p.parent_no
                )
                SELECT p.search_id, p.end_no, n.kind::text, n.text, n.observation,
                       n.q_value
                FROM path AS p
                JOIN nodes AS n ON n.round_id = :round_id AND n.search_id = p.search_id
                               AND n.node_no = p.node_no
                WHERE n.parent_no IS NOT NULL
                ORDER BY p.search_id, p.end_no, n.depth
                """
            ),
            {
                "round_id": round_id,
                "searches": [search_id for search_id, _ in wanted],
                "nodes": [node_no for _, node_no in wanted],
            },
        )
        found: dict[tuple[int, int], list[PathStep]] = {}
        for search_id, end_no, kind, step_text, observation, q_value in rows:
            step = PathStep(StepKind(kind), step_text, observation, q_value)
            found.setdefault((search_id, end_no), []).append(step)
    return {end: tuple(found[end]) for end in wanted}
