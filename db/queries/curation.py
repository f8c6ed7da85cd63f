"""Curation over a whole round, set-based: trajectories and preference pairs from done searches.

Both are functions of the nodes alone, so running them again adds nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import text

from db.records import PairPick, PathStep, TrajectoryPick
from db.vocabulary import PairKind, StepKind

if TYPE_CHECKING:
    from collections.abc import Sequence

    from db.session import Database

PAIRS_A_SIDE = 2
"""Chosen and rejected steps a prefix (rStar-Math section 3.4)."""

_TRAJECTORIES = text(
    """
    WITH RECURSIVE path AS (
        SELECT search_id, node_no AS leaf_no, verdict = 'equal' AS correct, parent_no,
               q_value AS q_sum, 1 AS steps, ARRAY[node_no] AS node_path
        FROM nodes
        WHERE round_id = :round_id AND terminal_reason = 'answer' AND visit_count > 0
          AND search_id IN (SELECT id FROM searches
                            WHERE round_id = :round_id AND status = 'done')
          AND verdict IN ('equal', 'different')
        UNION ALL
        SELECT p.search_id, p.leaf_no, p.correct, n.parent_no,
               p.q_sum + CASE WHEN n.parent_no IS NULL THEN 0 ELSE n.q_value END,
               p.steps + CASE WHEN n.parent_no IS NULL THEN 0 ELSE 1 END,
               n.node_no || p.node_path
        FROM path AS p
        JOIN nodes AS n
          ON n.round_id = :round_id AND n.search_id = p.search_id AND n.node_no = p.parent_no
    )
    INSERT INTO trajectories
        (round_id, search_id, leaf_no, correct, mean_q, steps, rank, node_path)
    SELECT :round_id, p.search_id, p.leaf_no, p.correct, p.q_sum / p.steps, p.steps,
           row_number() OVER (
               PARTITION BY s.problem_id, p.correct
               ORDER BY p.q_sum / p.steps DESC, p.steps, p.search_id, p.leaf_no
           ),
           p.node_path
    FROM path AS p JOIN searches AS s ON s.id = p.search_id
    WHERE p.parent_no IS NULL
    ON CONFLICT (search_id, leaf_no) DO NOTHING
    """
)

_STEP_PAIRS = text(
    """
    WITH sibling AS (
        SELECT search_id, parent_no, node_no, q_value, visit_count,
               leads_to_correct, leads_to_wrong,
               row_number() OVER (PARTITION BY search_id, parent_no, leads_to_correct
                                  ORDER BY q_value DESC, node_no) AS best,
               row_number() OVER (PARTITION BY search_id, parent_no, leads_to_wrong
                                  ORDER BY q_value, node_no) AS worst
        FROM nodes
        WHERE round_id = :round_id AND visit_count > 0 AND parent_no IS NOT NULL
          AND kind <> 'answer'
          AND search_id IN (SELECT id FROM searches
                            WHERE round_id = :round_id AND status = 'done')
    )
    INSERT INTO preference_pairs (round_id, search_id, kind, parent_no, chosen_no, rejected_no,
                                  chosen_q, rejected_q, chosen_visits, rejected_visits)
    SELECT :round_id, c.search_id, 'step', c.parent_no, c.node_no, r.node_no,
           c.q_value, r.q_value, c.visit_count, r.visit_count
    FROM sibling AS c
    JOIN sibling AS r ON r.search_id = c.search_id AND r.parent_no = c.parent_no
    WHERE c.leads_to_correct AND c.best <= :a_side
      AND r.leads_to_wrong AND r.worst <= :a_side
      AND c.q_value > r.q_value
    ON CONFLICT (search_id, kind, chosen_no, rejected_no) DO NOTHING
    """
)

_ANSWER_PAIRS = text(
    """
    WITH ended AS (
        SELECT t.search_id, t.leaf_no, t.correct, n.q_value, n.visit_count,
               row_number() OVER (
                   PARTITION BY t.search_id, t.correct
                   ORDER BY CASE WHEN t.correct THEN -t.mean_q ELSE t.mean_q END, t.leaf_no
               ) AS place
        FROM trajectories AS t
        JOIN nodes AS n
          ON n.round_id = :round_id AND n.search_id = t.search_id AND n.node_no = t.leaf_no
        WHERE t.round_id = :round_id
    )
    INSERT INTO preference_pairs (round_id, search_id, kind, parent_no, chosen_no, rejected_no,
                                  chosen_q, rejected_q, chosen_visits, rejected_visits)
    SELECT :round_id, c.search_id, 'answer', NULL, c.leaf_no, r.leaf_no,
           c.q_value, r.q_value, c.visit_count, r.visit_count
    FROM ended AS c
    JOIN ended AS r ON r.search_id = c.search_id
    WHERE c.correct AND c.place <= :a_side AND NOT r.correct AND r.place <= :a_side
      AND c.q_value > r.q_value
    ON CONFLICT (search_id, kind, chosen_no, rejected_no) DO NOTHING
    """
)


def select_trajectories(database: Database, round_id: int) -> int:
    """Store every graded path of the round with its rank among its problem's. Returns the count.

    The rank is by mean Q over the steps (rStar-Math section 3.4 keeps the best 2).
    """
    with database.begin() as connection:
        connection.execute(_TRAJECTORIES, {"round_id": round_id})
        count: int = connection.execute(
            text("SELECT count(*) FROM trajectories WHERE round_id = :round_id"),
            {"round_id": round_id},
        ).scalar_one()
    return count


def mine_pairs(database: Database, round_id: int) -> int:
    """Store the preference pairs of the round; needs its trajectories. Returns the count.

    At each prefix the 2 highest-Q steps that lead to a correct answer against the 2 lowest-Q
    steps that lead to a wrong one; at the answer step whole trajectories, whose prefixes may
    differ (rStar-Math section 3.4).
    """
    with database.begin() as connection:
        parameters = {"round_id": round_id, "a_side": PAIRS_A_SIDE}
        connection.execute(_STEP_PAIRS, parameters)
        connection.execute(_ANSWER_PAIRS, parameters)
        count: int = connection.execute(
            text("SELECT count(*) FROM preference_pairs WHERE round_id = :round_id"),
            {"round_id": round_id},
        ).scalar_one()
    return count


def best_trajectories(
    database: Database, round_ids: Sequence[int], *, a_problem: int
) -> list[TrajectoryPick]:
    """The correct trajectories of the highest mean Q, at most `a_problem` a problem and round."""
    with database.begin() as connection:
        rows = connection.execute(
            text(
                """
                SELECT t.id, t.round_id, t.search_id, t.leaf_no, s.problem_id, p.question, t.mean_q
                FROM trajectories AS t
                JOIN searches AS s ON s.id = t.search_id
                JOIN problems AS p ON p.id = s.problem_id
                WHERE t.round_id = ANY(:round_ids) AND t.correct AND t.rank <= :a_problem
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
