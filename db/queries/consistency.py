"""Consistency candidates and their checks; the leases are those of searches, on smaller work.

A candidate is judged by whoever holds its newest lease token, and its checks are written in the
transaction that closes it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import insert, text

from db.errors import LeaseLost
from db.models import ConsistencyCheck
from db.queries.searches import MAX_FAILURES
from db.records.consistency import ClaimedCandidate, ConsistencyProgress, MutualTrajectory

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy import TextClause

    from db.records.consistency import CheckRecord
    from db.session import Database

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


def claim(
    database: Database, round_id: int, *, owner: str, limit: int, lease_seconds: float
) -> list[ClaimedCandidate]:
    """Lease up to `limit` candidates that are open or whose lease has lapsed."""
    with database.begin() as connection:
        rows = connection.execute(
            text(
                """
                WITH free AS (
                    SELECT search_id, leaf_no FROM consistency_candidates
                    WHERE round_id = :round_id
                      AND (status = 'open' OR (status = 'leased' AND lease_expires_at < now()))
                    ORDER BY search_id, leaf_no LIMIT :limit FOR UPDATE SKIP LOCKED
                )
                UPDATE consistency_candidates AS c
                SET status = 'leased', lease_token = c.lease_token + 1, lease_owner = :owner,
                    lease_expires_at = now() + make_interval(secs => :lease_seconds)
                FROM free, searches AS s, problems AS p
                WHERE c.search_id = free.search_id AND c.leaf_no = free.leaf_no
                  AND s.id = c.search_id AND p.id = s.problem_id
                RETURNING c.search_id, c.leaf_no, c.round_id, c.lease_token, s.seed, p.question
                """
            ),
            {
                "round_id": round_id,
                "limit": limit,
                "owner": owner,
                "lease_seconds": lease_seconds,
            },
        )
        return [ClaimedCandidate(*row) for row in rows]


def renew(
    database: Database, held: Sequence[ClaimedCandidate], *, lease_seconds: float
) -> set[tuple[int, int]]:
    """Extend the leases that are still ours. Returns the keys of the candidates that were lost."""
    with database.begin() as connection:
        rows = connection.execute(
            _update_held("lease_expires_at = now() + make_interval(secs => :lease_seconds)"),
            {**_held(held), "lease_seconds": lease_seconds},
        )
        kept = {(row.search_id, row.leaf_no) for row in rows}
    return {candidate.key for candidate in held} - kept


def record(database: Database, candidate: ClaimedCandidate, checks: Sequence[CheckRecord]) -> None:
    """Write a candidate's checks and close it, in one transaction.

    Raises:
        LeaseLost: somebody claimed the candidate since; nothing was written.
    """
    with database.begin() as connection:
        updated = connection.execute(
            _update_held("status = 'done', lease_owner = NULL, lease_expires_at = NULL"),
            _held([candidate]),
        )
        if len(updated.all()) != 1:
            raise LeaseLost(
                f"Trajectory {candidate.leaf_no} of search {candidate.search_id} was claimed by "
                f"another worker after token {candidate.lease_token}; these checks are dropped and "
                "nothing needs to be done."
            )
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


def fail(database: Database, candidate: ClaimedCandidate, error: str) -> None:
    """Give a candidate back after an infrastructure failure; after too many it is given up."""
    with database.begin() as connection:
        connection.execute(
            _update_held(
                "status = CASE WHEN failures + 1 >= :most THEN 'failed' ELSE 'open' END"
                "::search_status, failures = failures + 1, last_error = :error, "
                "lease_owner = NULL, lease_expires_at = NULL"
            ),
            {**_held([candidate]), "error": error, "most": MAX_FAILURES},
        )


def release(database: Database, held: Sequence[ClaimedCandidate]) -> None:
    """Give candidates back unharmed, as a worker does that was told to stop."""
    with database.begin() as connection:
        connection.execute(
            _update_held("status = 'open', lease_owner = NULL, lease_expires_at = NULL"),
            _held(held),
        )


def progress(database: Database, round_id: int) -> ConsistencyProgress:
    """Counts over the candidates of a round."""
    with database.begin() as connection:
        row = connection.execute(
            text(
                """
                SELECT count(*), count(*) FILTER (WHERE status = 'done'),
                       count(*) FILTER (WHERE status = 'failed'),
                       count(*) FILTER (WHERE status = 'leased' AND lease_expires_at >= now()),
                       (SELECT count(*) FROM v1.mutual_trajectories
                        WHERE round_id = :round_id AND mutual),
                       (SELECT last_error FROM consistency_candidates
                        WHERE round_id = :round_id AND status = 'failed' LIMIT 1)
                FROM consistency_candidates WHERE round_id = :round_id
                """
            ),
            {"round_id": round_id},
        ).one()
    return ConsistencyProgress(*row)


def reopen_failed(database: Database, round_id: int) -> None:
    """Open the given-up candidates of a round again."""
    with database.begin() as connection:
        connection.execute(
            text(
                "UPDATE consistency_candidates SET status = 'open', failures = 0 "
                "WHERE round_id = :round_id AND status = 'failed'"
            ),
            {"round_id": round_id},
        )


def release_owner(database: Database, round_id: int, owner: str) -> None:
    """Free what a dead worker held."""
    with database.begin() as connection:
        connection.execute(
            text(
                "UPDATE consistency_candidates SET status = 'open', lease_owner = NULL, "
                "lease_expires_at = NULL "
                "WHERE round_id = :round_id AND status = 'leased' AND lease_owner = :owner"
            ),
            {"round_id": round_id, "owner": owner},
        )


def owners(database: Database, round_id: int) -> list[str]:
    """Who holds leases in a round."""
    with database.begin() as connection:
        return list(
            connection.execute(
                text(
                    "SELECT DISTINCT lease_owner FROM consistency_candidates "
                    "WHERE round_id = :round_id AND status = 'leased'"
                ),
                {"round_id": round_id},
            ).scalars()
        )


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
        return [MutualTrajectory(*row) for row in rows]


def _update_held(changes: str) -> TextClause:
    """Change the candidates that are still held under the given tokens; says which."""
    return text(
        f"UPDATE consistency_candidates AS c SET {changes} "  # noqa: S608  # ours, not a user's
        "FROM unnest(CAST(:searches AS bigint[]), CAST(:leaves AS int[]), "
        "CAST(:tokens AS bigint[])) AS h (search_id, leaf_no, token) "
        "WHERE c.search_id = h.search_id AND c.leaf_no = h.leaf_no AND c.lease_token = h.token "
        "AND c.status = 'leased' RETURNING c.search_id, c.leaf_no"
    )


def _held(candidates: Sequence[ClaimedCandidate]) -> dict[str, object]:
    return {
        "searches": [candidate.search_id for candidate in candidates],
        "leaves": [candidate.leaf_no for candidate in candidates],
        "tokens": [candidate.lease_token for candidate in candidates],
    }
