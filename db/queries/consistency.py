"""Consistency candidates, held under leases, and their checks.

A candidate's checks are written in the transaction that closes it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import insert, text

from db.models import ConsistencyCheck
from db.queries.leases import COUNTS, LeaseTable
from db.records.consistency import ClaimedCandidate, ConsistencyProgress, MutualTrajectory

if TYPE_CHECKING:
    from collections.abc import Sequence

    from db.records.consistency import CheckRecord
    from db.session import Database

LEASES: LeaseTable[ClaimedCandidate] = LeaseTable(
    table="consistency_candidates",
    keys=("search_id", "leaf_no"),
    reading="""
        SELECT w.search_id, w.leaf_no, w.round_id, w.lease_token, s.seed AS search_seed, p.question
        FROM claimed AS w
        JOIN searches AS s ON s.id = w.search_id
        JOIN problems AS p ON p.id = s.problem_id
    """,
    read=lambda row: ClaimedCandidate(**row._mapping),
    name=lambda candidate: f"trajectory {candidate.leaf_no} of search {candidate.search_id}",
)

_PLAN = text(
    """
    WITH RECURSIVE path AS (
        SELECT n.search_id, n.node_no AS leaf_no, n.reward, n.parent_no, n.q_value AS q_sum,
               1 AS steps
        FROM nodes AS n JOIN searches AS s ON s.id = n.search_id AND s.status = 'done'
        WHERE n.round_id = :round_id AND n.terminal_reason = 'answer' AND n.verdict IS NULL
          AND n.visit_count > 0
        UNION ALL
        SELECT p.search_id, p.leaf_no, p.reward, n.parent_no,
               p.q_sum + CASE WHEN n.parent_no IS NULL THEN 0 ELSE n.q_value END,
               p.steps + CASE WHEN n.parent_no IS NULL THEN 0 ELSE 1 END
        FROM path AS p
        JOIN nodes AS n
          ON n.round_id = :round_id AND n.search_id = p.search_id AND n.node_no = p.parent_no
    )
    INSERT INTO consistency_candidates (search_id, leaf_no, round_id, confidence, mean_q, steps)
    SELECT search_id, leaf_no, :round_id,
           least(greatest((reward::float8 + 1) / 2, 0), 1),
           least(greatest(q_sum / steps, -1), 1), steps
    FROM path WHERE parent_no IS NULL
    ON CONFLICT (search_id, leaf_no) DO NOTHING
    """
)


def plan(database: Database, round_id: int) -> int:
    """Make a candidate of each answer, without a ground truth, that a rollout of the round reached.

    Returns how many were not there before.
    """
    with database.begin() as connection:
        return connection.execute(_PLAN, {"round_id": round_id}).rowcount


def has_open_problems(database: Database, round_id: int) -> bool:
    """Whether the round searches a problem without a ground truth."""
    with database.begin() as connection:
        found: bool = connection.execute(
            text(
                "SELECT EXISTS (SELECT FROM searches AS s JOIN problems AS p "
                "ON p.id = s.problem_id WHERE s.round_id = :round_id AND p.answer IS NULL)"
            ),
            {"round_id": round_id},
        ).scalar_one()
    return found


def record(database: Database, candidate: ClaimedCandidate, checks: Sequence[CheckRecord]) -> None:
    """Write a candidate's checks and close it, in one transaction.

    Raises:
        LeaseLost: somebody claimed the candidate since; nothing was written.
    """
    with database.begin() as connection:
        LEASES.close(connection, candidate)
        connection.execute(
            insert(ConsistencyCheck),
            [
                {
                    "search_id": candidate.search_id,
                    "leaf_no": candidate.leaf_no,
                    "check_no": number,
                    "discriminator": check.discriminator,
                    "seed": check.seed,
                    "prefix_share": check.prefix_share,
                    "prefix_steps": check.prefix_steps,
                    "of_steps": check.of_steps,
                    "completion": check.completion,
                    "answer": check.answer,
                    "verdict": check.verdict,
                    "generated_tokens": check.generated_tokens,
                }
                for number, check in enumerate(checks)
            ],
        )


def progress(database: Database, round_id: int) -> ConsistencyProgress:
    """Counts over the candidates of a round."""
    with database.begin() as connection:
        row = connection.execute(
            text(
                f"""
                SELECT {COUNTS},
                       (SELECT count(*) FROM v1.mutual_trajectories
                        WHERE round_id = :round_id AND mutual) AS mutual
                FROM consistency_candidates WHERE round_id = :round_id
                """  # noqa: S608
            ),
            {"round_id": round_id},
        ).one()
    return ConsistencyProgress(**row._mapping)


def mutual(
    database: Database, round_ids: Sequence[int], *, a_problem: int | None
) -> list[MutualTrajectory]:
    """The mutually consistent trajectories, the best of each problem and round first.

    The order is by score, reward x confidence (rStar section 3.3); at most `a_problem` a problem.
    """
    with database.begin() as connection:
        rows = connection.execute(
            text(
                """
                SELECT round_id, search_id, problem_id, question, leaf_no, text, confidence,
                       agreement, score
                FROM (
                    SELECT m.*, p.question, n.text,
                           row_number() OVER (
                               PARTITION BY m.round_id, m.problem_id
                               ORDER BY m.score DESC, m.steps, m.search_id, m.leaf_no
                           ) AS place
                    FROM v1.mutual_trajectories AS m
                    JOIN problems AS p ON p.id = m.problem_id
                    JOIN nodes AS n ON n.round_id = m.round_id AND n.search_id = m.search_id
                                   AND n.node_no = m.leaf_no
                    WHERE m.round_id = ANY(:round_ids) AND m.mutual
                ) AS ranked
                WHERE CAST(:a_problem AS int) IS NULL OR place <= :a_problem
                ORDER BY round_id DESC, problem_id, place
                """
            ),
            {"round_ids": list(round_ids), "a_problem": a_problem},
        )
        return [MutualTrajectory(**row._mapping) for row in rows]
