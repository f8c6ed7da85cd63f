"""The candidates of a dataset version: what the filters that SQL can apply leave, in order.

Each query gives every candidate the first rule that leaves it out, so that the rows and the counts
of a version's manifest are of one statement's making. `synthesis` says that the problem was made by
a model and dropped since, because its searches were correct too seldom; `review` that a person has
marked its ground truth as wrong or its question as ambiguous.
"""

# The parts that are put together here are constants of this file.
# ruff: noqa: S608

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from typing import TYPE_CHECKING

from sqlalchemy import text

from db.records.datasets import PairCandidate, ProblemText, RoundLineage, TrajectoryCandidate
from db.vocabulary import PairKind

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy import Connection, TextClause

    from db.records.datasets import PairFilter, TrajectoryFilter
    from db.session import Database

# The share of a problem's rollouts that were correct, from the Q of its roots: a root has no prior,
# so its Q is the mean reward, and an undecided rollout counts half.
_RATES = """
    rate AS (
        SELECT s.problem_id,
               sum((root.q_value + 1) / 2 * root.visit_count)
               / nullif(sum(root.visit_count), 0) AS solve_rate
        FROM searches AS s
        JOIN nodes AS root
          ON root.round_id = s.round_id AND root.search_id = s.id AND root.node_no = 0
        WHERE s.round_id = ANY(:round_ids) AND s.status = 'done'
        GROUP BY s.problem_id
    )
"""

_REFUSED = """
                   WHEN EXISTS (SELECT FROM synthesis_drafts AS d
                                WHERE d.problem_id = s.problem_id AND d.status = 'dropped')
                   THEN 'synthesis'
                   WHEN EXISTS (SELECT FROM problem_reviews AS v
                                WHERE v.problem_id = s.problem_id AND v.decision <> 'ok')
                   THEN 'review'
"""

_TRAJECTORIES = f"""
    WITH {_RATES}, candidate AS (
        SELECT t.id, t.round_id, t.search_id, t.leaf_no, s.problem_id, t.correct, t.mean_q,
               t.steps, rate.solve_rate, t.rank,
               CASE
                   {_REFUSED}
                   WHEN NOT (t.correct OR :both_verdicts) THEN 'trajectories.verdicts'
                   WHEN t.correct AND t.mean_q < :min_mean_q THEN 'trajectories.min_mean_q'
                   WHEN leaf.visit_count < :min_visits THEN 'trajectories.min_visits'
                   WHEN t.steps > :max_steps THEN 'trajectories.max_steps'
                   WHEN rate.solve_rate < :min_solve_rate THEN 'problems.min_solve_rate'
                   WHEN rate.solve_rate > :max_solve_rate THEN 'problems.max_solve_rate'
               END AS dropped_by
        FROM trajectories AS t
        JOIN searches AS s ON s.id = t.search_id
        JOIN nodes AS leaf ON leaf.round_id = t.round_id AND leaf.search_id = t.search_id
                          AND leaf.node_no = t.leaf_no
        JOIN rate ON rate.problem_id = s.problem_id
        WHERE t.round_id = ANY(:round_ids)
    )
"""

_PAIRS = f"""
    WITH {_RATES}, candidate AS (
        SELECT q.id, q.round_id, q.search_id, q.kind, q.parent_no, q.chosen_no, q.rejected_no,
               s.problem_id, q.chosen_q, q.margin, q.chosen_visits, q.rejected_visits,
               chosen.depth, rate.solve_rate,
               CASE
                   {_REFUSED}
                   WHEN q.kind::text <> ALL(:kinds) THEN 'pairs.kinds'
                   WHEN q.margin < :min_margin THEN 'pairs.min_margin'
                   WHEN least(q.chosen_visits, q.rejected_visits) < :min_visits
                   THEN 'pairs.min_visits'
                   WHEN rate.solve_rate < :min_solve_rate THEN 'problems.min_solve_rate'
                   WHEN rate.solve_rate > :max_solve_rate THEN 'problems.max_solve_rate'
               END AS dropped_by
        FROM preference_pairs AS q
        JOIN searches AS s ON s.id = q.search_id
        JOIN nodes AS chosen ON chosen.round_id = q.round_id AND chosen.search_id = q.search_id
                            AND chosen.node_no = q.chosen_no
        JOIN rate ON rate.problem_id = s.problem_id
        WHERE q.round_id = ANY(:round_ids)
    )
"""
_DROPPED = (
    "SELECT dropped_by, count(*) FROM candidate WHERE dropped_by IS NOT NULL GROUP BY dropped_by"
)
_COUNT_TRAJECTORIES = text(_TRAJECTORIES + _DROPPED)
_COUNT_PAIRS = text(_PAIRS + _DROPPED)
# The newest round first; of a problem the best correct solution first, then the worst wrong one.
_TAKE_TRAJECTORIES = text(
    _TRAJECTORIES
    + """
    SELECT id AS trajectory_id, round_id, search_id, leaf_no, problem_id, correct, mean_q, steps,
           solve_rate
    FROM candidate WHERE dropped_by IS NULL
    ORDER BY round_id DESC, problem_id, correct DESC, CASE WHEN correct THEN rank ELSE -rank END, id
    """
)
_TAKE_PAIRS = text(
    _PAIRS
    + """
    SELECT id AS pair_id, round_id, search_id, kind::text AS kind, parent_no, chosen_no,
           rejected_no, problem_id, chosen_q, margin, chosen_visits, rejected_visits, depth,
           solve_rate
    FROM candidate WHERE dropped_by IS NULL
    ORDER BY margin DESC, chosen_visits + rejected_visits DESC, id
    """
)


def trajectories(
    database: Database, round_ids: Sequence[int], wanted: TrajectoryFilter
) -> tuple[list[TrajectoryCandidate], Counter[str]]:
    """Trajectories of the rounds, the best of a problem first, and how many each rule left out."""
    parameters = {
        "round_ids": list(round_ids),
        "both_verdicts": wanted.both_verdicts,
        "min_mean_q": wanted.min_mean_q,
        "min_visits": wanted.min_visits,
        "max_steps": wanted.max_steps,
        "min_solve_rate": wanted.min_solve_rate,
        "max_solve_rate": wanted.max_solve_rate,
    }
    with database.begin() as connection:
        dropped = _counts(connection, _COUNT_TRAJECTORIES, parameters)
        rows = connection.execute(_TAKE_TRAJECTORIES, parameters)
        return [TrajectoryCandidate(**row._mapping) for row in rows], dropped


def pairs(
    database: Database, round_ids: Sequence[int], wanted: PairFilter
) -> tuple[list[PairCandidate], Counter[str]]:
    """Pairs of the rounds, the widest margin first, and how many each rule left out."""
    parameters = {
        "round_ids": list(round_ids),
        "kinds": [kind.value for kind in wanted.kinds],
        "min_margin": wanted.min_margin,
        "min_visits": wanted.min_visits,
        "min_solve_rate": wanted.min_solve_rate,
        "max_solve_rate": wanted.max_solve_rate,
    }
    with database.begin() as connection:
        dropped = _counts(connection, _COUNT_PAIRS, parameters)
        rows = connection.execute(_TAKE_PAIRS, parameters)
        found = [replace(PairCandidate(**row._mapping), kind=PairKind(row.kind)) for row in rows]
    return found, dropped


def problem_texts(database: Database, problem_ids: Sequence[int]) -> dict[int, ProblemText]:
    """Questions and sources of problems, in the order of their ids."""
    with database.begin() as connection:
        rows = connection.execute(
            text(
                "SELECT id AS problem_id, source, question FROM problems "
                "WHERE id = ANY(CAST(:ids AS bigint[])) ORDER BY id"
            ),
            {"ids": list(problem_ids)},
        )
        return {row.problem_id: ProblemText(**row._mapping) for row in rows}


def lineage(database: Database, round_ids: Sequence[int]) -> list[RoundLineage]:
    """Which checkpoints searched the rounds."""
    with database.begin() as connection:
        rows = connection.execute(
            text(
                """
                SELECT r.id AS round_id, r.number, policy.path AS policy,
                       policy.content_hash AS policy_hash, ppm.path AS ppm,
                       ppm.content_hash AS ppm_hash
                FROM rounds AS r
                LEFT JOIN checkpoints AS policy ON policy.id = r.policy_checkpoint_id
                LEFT JOIN checkpoints AS ppm ON ppm.id = r.ppm_checkpoint_id
                WHERE r.id = ANY(:round_ids) ORDER BY r.number
                """
            ),
            {"round_ids": list(round_ids)},
        )
        return [RoundLineage(**row._mapping) for row in rows]


def _counts(
    connection: Connection, query: TextClause, parameters: dict[str, object]
) -> Counter[str]:
    return Counter({rule: int(count) for rule, count in connection.execute(query, parameters)})
