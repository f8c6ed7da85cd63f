"""Reading what was mined: the trajectories and pairs to train on, and the steps of their paths."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import text

from db.records import PairPick, PathStep, TrajectoryPick
from db.vocabulary import PairKind, StepKind

if TYPE_CHECKING:
    from collections.abc import Sequence

    from db.session import Database


def best_trajectories(
    database: Database, round_ids: Sequence[int], *, a_problem: int
) -> list[TrajectoryPick]:
    """The correct trajectories of the highest mean Q, at most `a_problem` a problem and round.

    Those of dropped synthetic problems are left out, as they are from the pairs.
    """
    with database.begin() as connection:
        rows = connection.execute(
            text(
                """
                SELECT t.id, t.round_id, t.search_id, t.leaf_no, s.problem_id, p.question, t.mean_q
                FROM trajectories AS t
                JOIN searches AS s ON s.id = t.search_id
                JOIN problems AS p ON p.id = s.problem_id
                WHERE t.round_id = ANY(:round_ids) AND t.correct AND t.rank <= :a_problem
                  AND NOT EXISTS (SELECT FROM synthesis_drafts AS d
                                  WHERE d.problem_id = s.problem_id AND d.status = 'dropped')
                ORDER BY t.round_id DESC, s.problem_id, t.rank
                """
            ),
            {"round_ids": list(round_ids), "a_problem": a_problem},
        )
        return [TrajectoryPick(*row) for row in rows]


def widest_pairs(database: Database, round_id: int, *, limit: int | None) -> list[PairPick]:
    """The preference pairs of a round, those of the widest margin first."""
    with database.begin() as connection:
        rows = connection.execute(
            text(
                """
                SELECT q.id, q.kind::text, q.search_id, q.parent_no, q.chosen_no, q.rejected_no,
                       s.problem_id, p.question
                FROM preference_pairs AS q
                JOIN searches AS s ON s.id = q.search_id
                JOIN problems AS p ON p.id = s.problem_id
                WHERE q.round_id = :round_id
                  AND NOT EXISTS (SELECT FROM synthesis_drafts AS d
                                  WHERE d.problem_id = s.problem_id AND d.status = 'dropped')
                ORDER BY q.margin DESC, q.chosen_visits + q.rejected_visits DESC, q.id
                LIMIT :limit
                """
            ),
            {"round_id": round_id, "limit": limit},
        )
        return [PairPick(row[0], PairKind(row[1]), *row[2:]) for row in rows]


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
                SELECT p.search_id, p.end_no, n.kind::text, n.text, n.observation
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
        for search_id, end_no, kind, step_text, observation in rows:
            step = PathStep(StepKind(kind), step_text, observation)
            found.setdefault((search_id, end_no), []).append(step)
    return {end: tuple(found[end]) for end in wanted}
