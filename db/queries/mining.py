"""Mining a round, set-based: trajectories and preference pairs from the trees of done searches.

Both are functions of the nodes alone, so mining again adds nothing. The nodes that a rollout
visited, a quarter of all or less, are put aside once, narrow; everything else reads those. What a
step leads to is a fact stored on it, so that no path has to be walked for a step pair, and paths
are walked for answers only, from the leaf upwards.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from sqlalchemy import text

from db import locks
from db.programs import are_one_program

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from db.session import Database

_PAIRS_A_PAGE = 5_000
PAIRS_A_SIDE = 2
"""Chosen and rejected steps a prefix (rStar-Math section 3.4)."""

# Every join here is of large sets in full, for which hashing is right whatever the planner, which
# knows nothing of a table this new, would guess. Compiling costs more than it gives.
_SETTINGS = """
    SET LOCAL work_mem = '256MB'; SET LOCAL jit = off;
    SET LOCAL enable_nestloop = off; SET LOCAL enable_mergejoin = off
"""

_VISITED = text(
    """
    CREATE TEMPORARY TABLE visited ON COMMIT DROP AS
    SELECT n.search_id, s.problem_id, n.q_value, n.node_no, n.parent_no, n.visit_count,
           n.leads_to_correct, n.leads_to_wrong, n.kind = 'answer' AS is_answer,
           CASE WHEN n.terminal_reason = 'answer' THEN
               CASE n.verdict WHEN 'equal' THEN true WHEN 'different' THEN false END
           END AS correct
    FROM nodes AS n JOIN searches AS s ON s.id = n.search_id
    WHERE n.round_id = :round_id AND n.visit_count > 0 AND s.status = 'done'
    """
)

# The root, which has no Q of its own, is left out of the sum and put in front of the path.
# ARRAY[x] || path copies flat arrays; x || path would unfold them.
_PATHS = text(
    """
    CREATE TEMPORARY TABLE graded ON COMMIT DROP AS
    WITH RECURSIVE path AS (
        SELECT search_id, node_no AS leaf_no, parent_no, q_value AS q_sum,
               ARRAY[node_no] AS nodes, correct, problem_id, q_value, visit_count
        FROM visited WHERE correct IS NOT NULL
        UNION ALL
        SELECT p.search_id, p.leaf_no, n.parent_no, p.q_sum + n.q_value,
               ARRAY[n.node_no] || p.nodes, p.correct, p.problem_id, p.q_value, p.visit_count
        FROM path AS p
        JOIN visited AS n ON n.search_id = p.search_id AND n.node_no = p.parent_no
        WHERE n.parent_no IS NOT NULL
    )
    SELECT search_id, leaf_no, correct, problem_id, q_sum / cardinality(nodes) AS mean_q,
           cardinality(nodes) AS steps, ARRAY[0] || nodes AS node_path, q_value, visit_count
    FROM path WHERE parent_no = 0
    """
)

_TRAJECTORIES = text(
    """
    INSERT INTO trajectories
        (round_id, search_id, leaf_no, correct, mean_q, steps, rank, node_path)
    SELECT :round_id, g.search_id, g.leaf_no, g.correct, g.mean_q, g.steps, g.rank, g.node_path
    FROM (
        SELECT *, row_number() OVER (
            PARTITION BY problem_id, correct ORDER BY mean_q DESC, steps, search_id, leaf_no
        ) AS rank
        FROM graded
    ) AS g
    WHERE NOT EXISTS (
        SELECT FROM trajectories AS t WHERE t.round_id = :round_id
        AND t.search_id = g.search_id AND t.leaf_no = g.leaf_no
    )
    ORDER BY g.search_id, g.leaf_no
    """
)

_STEP_PAIRS = text(
    """
    WITH step AS NOT MATERIALIZED (
        SELECT * FROM visited WHERE parent_no IS NOT NULL AND NOT is_answer
    ), chosen AS (
        SELECT *, row_number() OVER (
            PARTITION BY search_id, parent_no ORDER BY q_value DESC, node_no
        ) AS place
        FROM step WHERE leads_to_correct
    ), rejected AS (
        SELECT *, row_number() OVER (
            PARTITION BY search_id, parent_no ORDER BY q_value, node_no
        ) AS place
        FROM step WHERE leads_to_wrong
    )
    INSERT INTO preference_pairs (round_id, search_id, kind, parent_no, chosen_no, rejected_no,
                                  chosen_q, rejected_q, chosen_visits, rejected_visits)
    SELECT :round_id, c.search_id, 'step', c.parent_no, c.node_no, r.node_no,
           c.q_value, r.q_value, c.visit_count, r.visit_count
    FROM chosen AS c
    JOIN rejected AS r ON r.search_id = c.search_id AND r.parent_no = c.parent_no
    WHERE c.place <= :a_side AND r.place <= :a_side AND c.q_value > r.q_value
      AND NOT EXISTS (
          SELECT FROM preference_pairs AS q
          WHERE q.round_id = :round_id AND q.kind = 'step' AND q.search_id = c.search_id
            AND q.chosen_no = c.node_no AND q.rejected_no = r.node_no
      )
    """
)

_STEPS_OF_PAIRS = text(
    """
    SELECT q.id, c.text AS chosen, r.text AS rejected
    FROM preference_pairs AS q
    JOIN nodes AS c ON c.round_id = :round_id AND c.search_id = q.search_id
                   AND c.node_no = q.chosen_no
    JOIN nodes AS r ON r.round_id = :round_id AND r.search_id = q.search_id
                   AND r.node_no = q.rejected_no
    WHERE q.round_id = :round_id AND q.kind = 'step'
    """
)
# What a dataset version holds is never taken from it.
_NO_PAIRS = text(
    """
    DELETE FROM preference_pairs AS q WHERE q.id = ANY(CAST(:ids AS bigint[]))
    AND NOT EXISTS (SELECT FROM dataset_items AS i WHERE i.pair_id = q.id)
    """
)

_ANSWER_PAIRS = text(
    """
    WITH ended AS (
        SELECT search_id, leaf_no, correct, q_value, visit_count,
               row_number() OVER (
                   PARTITION BY search_id, correct
                   ORDER BY CASE WHEN correct THEN -mean_q ELSE mean_q END, leaf_no
               ) AS place
        FROM graded
    )
    INSERT INTO preference_pairs (round_id, search_id, kind, parent_no, chosen_no, rejected_no,
                                  chosen_q, rejected_q, chosen_visits, rejected_visits)
    SELECT :round_id, c.search_id, 'answer', NULL, c.leaf_no, r.leaf_no,
           c.q_value, r.q_value, c.visit_count, r.visit_count
    FROM ended AS c
    JOIN ended AS r ON r.search_id = c.search_id
    WHERE c.correct AND c.place <= :a_side AND NOT r.correct AND r.place <= :a_side
      AND c.q_value > r.q_value
      AND NOT EXISTS (
          SELECT FROM preference_pairs AS q
          WHERE q.round_id = :round_id AND q.kind = 'answer' AND q.search_id = c.search_id
            AND q.chosen_no = c.leaf_no AND q.rejected_no = r.leaf_no
      )
    """
)

_COUNTS = text(
    """
    SELECT (SELECT count(*) FROM trajectories WHERE round_id = :round_id) AS trajectories,
           (SELECT count(*) FROM preference_pairs WHERE round_id = :round_id) AS pairs
    """
)


@dataclass(frozen=True, slots=True)
class Mined:
    """How many a round has, those mined before included."""

    trajectories: int
    pairs: int


def mine(database: Database, round_id: int) -> Mined:
    """Store the graded trajectories and the preference pairs of a round, in one transaction.

    A trajectory is ranked by its mean Q among its problem's that end alike; the best 2 train the
    policy. At each prefix the 2 highest-Q steps that lead to a correct answer are paired with the
    2 lowest-Q steps that lead to a wrong one, unless both are one program; at the answer step whole
    trajectories, whose prefixes may differ (rStar-Math section 3.4).
    """
    of_round = {"round_id": round_id}
    pairing = {**of_round, "a_side": PAIRS_A_SIDE}
    with database.begin() as connection:
        locks.hold_until_commit(connection, locks.Work.MINING, round_id)
        connection.exec_driver_sql(_SETTINGS)
        connection.execute(_VISITED, of_round)
        connection.execute(_PATHS)
        connection.execute(_TRAJECTORIES, of_round)
        connection.execute(_STEP_PAIRS, pairing)
        connection.execute(_ANSWER_PAIRS, pairing)
        _drop_equal_programs(connection, round_id)
        return Mined(**connection.execute(_COUNTS, of_round).one()._mapping)


def _drop_equal_programs(connection: Connection, round_id: int) -> None:
    """Memory holds a page of the pairs, and the ids of those that go."""
    # A pair is looked up, not joined with every node.
    connection.exec_driver_sql("SET LOCAL enable_nestloop = on")
    in_pages = _STEPS_OF_PAIRS.execution_options(yield_per=_PAIRS_A_PAGE)
    found = connection.execute(in_pages, {"round_id": round_id})
    equal = [row.id for row in found if are_one_program(row.chosen, row.rejected)]
    if equal:
        connection.execute(_NO_PAIRS, {"ids": equal})
