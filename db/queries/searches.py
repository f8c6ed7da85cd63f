"""Searches and leases.

A search is worked on by whoever holds its newest lease token. `claim` raises the token, and every
write (`db.bulk.commit_trees`) is guarded by it, so a search is done at most once however many
workers believe that they hold it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import text

from db.bulk import commit_trees
from db.errors import LeaseLost
from db.queries import growth
from db.records.searches import ClaimedSearch, SearchProgress, SearchResult

if TYPE_CHECKING:
    from collections.abc import Sequence

    from db.session import Database

MAX_FAILURES = 5
"""Infrastructure failures after which a search is given up, without a label."""


def plan(
    database: Database, round_id: int, problem_ids: Sequence[int], *, seed: int, tier: int = 0
) -> int:
    """Make searches of one tier, one for each problem. Returns how many were not there before."""
    with database.begin() as connection:
        result = connection.execute(
            text(
                "INSERT INTO searches (round_id, problem_id, seed, tier) "
                "SELECT :round_id, problem_id, :seed, :tier "
                "FROM unnest(CAST(:problem_ids AS bigint[])) AS problem_id "
                "ON CONFLICT (round_id, problem_id, seed) DO NOTHING"
            ),
            {
                "round_id": round_id,
                "seed": seed,
                "tier": tier,
                "problem_ids": list(problem_ids),
            },
        )
        return result.rowcount


def claim(
    database: Database, round_id: int, *, owner: str, limit: int, lease_seconds: float
) -> list[ClaimedSearch]:
    """Lease up to `limit` searches that are open or whose lease has lapsed."""
    with database.begin() as connection:
        rows = connection.execute(
            text(
                """
                WITH free AS (
                    SELECT id FROM searches
                    WHERE round_id = :round_id
                      AND (status = 'open' OR (status = 'leased' AND lease_expires_at < now()))
                    ORDER BY id LIMIT :limit FOR UPDATE SKIP LOCKED
                )
                UPDATE searches AS s
                SET status = 'leased', lease_token = s.lease_token + 1, lease_owner = :owner,
                    lease_expires_at = now() + make_interval(secs => :lease_seconds)
                FROM free, problems AS p
                WHERE s.id = free.id AND p.id = s.problem_id
                RETURNING s.id, s.round_id, s.problem_id, s.seed, s.tier, s.lease_token,
                          p.question, p.answer, s.rollouts, s.node_count, s.seconds
                """
            ),
            {
                "round_id": round_id,
                "limit": limit,
                "owner": owner,
                "lease_seconds": lease_seconds,
            },
        )
        return [ClaimedSearch(*row) for row in rows]


def renew(database: Database, held: Sequence[ClaimedSearch], *, lease_seconds: float) -> set[int]:
    """Extend the leases that are still ours. Returns the ids of the searches that were lost."""
    with database.begin() as connection:
        rows = connection.execute(
            text(
                """
                WITH held AS (
                    SELECT s.id FROM searches AS s
                    JOIN unnest(CAST(:ids AS bigint[]), CAST(:tokens AS bigint[])) AS h (id, token)
                      ON s.id = h.id AND s.lease_token = h.token
                    WHERE s.status = 'leased' ORDER BY s.id FOR NO KEY UPDATE OF s
                )
                UPDATE searches AS s
                SET lease_expires_at = now() + make_interval(secs => :lease_seconds)
                FROM held WHERE s.id = held.id
                RETURNING s.id
                """
            ),
            {
                "ids": [search.search_id for search in held],
                "tokens": [search.lease_token for search in held],
                "lease_seconds": lease_seconds,
            },
        )
        kept = {row.id for row in rows}
    return {search.search_id for search in held} - kept


def commit(database: Database, search: ClaimedSearch, result: SearchResult) -> None:
    """Write what a search has come to, in one transaction. A done one again changes nothing.

    Raises:
        LeaseLost: somebody claimed the search since; nothing was written.
    """
    if commit_trees(database, [(search, result)]).lost:
        raise lease_lost(search)


def lease_lost(search: ClaimedSearch) -> LeaseLost:
    """What to say of a search that somebody else has claimed."""
    return LeaseLost(
        f"Search {search.search_id} was claimed by another worker after token "
        f"{search.lease_token}; this result is dropped and nothing needs to be done."
    )


def fail(
    database: Database, search: ClaimedSearch, error: str, *, start_over: bool = False
) -> None:
    """Give a search back after an infrastructure failure; after too many it is given up.

    It goes on from its stored nodes when it is claimed again, unless it is to `start_over`.
    """
    with database.begin() as connection:
        failed = connection.execute(
            text(
                """
                UPDATE searches
                SET status = CASE WHEN failures + 1 >= :most THEN 'failed' ELSE 'open' END
                             ::search_status,
                    failures = failures + 1, last_error = :error,
                    lease_owner = NULL, lease_expires_at = NULL
                WHERE id = :id AND lease_token = :token AND status = 'leased'
                """
            ),
            {
                "id": search.search_id,
                "token": search.lease_token,
                "error": error,
                "most": MAX_FAILURES,
            },
        )
        if start_over and failed.rowcount == 1:
            growth.start_over(connection, search)


def release(database: Database, held: Sequence[ClaimedSearch]) -> None:
    """Give searches back unharmed, as a worker does that was told to stop."""
    with database.begin() as connection:
        connection.execute(
            text(
                """
                WITH held AS (
                    SELECT s.id FROM searches AS s
                    JOIN unnest(CAST(:ids AS bigint[]), CAST(:tokens AS bigint[])) AS h (id, token)
                      ON s.id = h.id AND s.lease_token = h.token
                    WHERE s.status = 'leased' ORDER BY s.id FOR NO KEY UPDATE OF s
                )
                UPDATE searches AS s
                SET status = 'open', lease_owner = NULL, lease_expires_at = NULL
                FROM held WHERE s.id = held.id
                """
            ),
            {
                "ids": [search.search_id for search in held],
                "tokens": [search.lease_token for search in held],
            },
        )


def progress(database: Database, round_id: int) -> SearchProgress:
    """Counts over the searches of a round."""
    with database.begin() as connection:
        row = connection.execute(
            text(
                """
                SELECT count(*), count(*) FILTER (WHERE status = 'done'),
                       count(*) FILTER (WHERE status = 'failed'),
                       count(*) FILTER (WHERE status = 'leased' AND lease_expires_at >= now()),
                       count(*) FILTER (WHERE solved),
                       coalesce(sum(node_count), 0)::bigint,
                       coalesce(sum(generated_tokens), 0)::bigint
                FROM searches WHERE round_id = :round_id
                """
            ),
            {"round_id": round_id},
        ).one()
    return SearchProgress(*row)


def reopen_failed(database: Database, round_id: int) -> int:
    """Open the given-up searches of a round again. Returns how many."""
    with database.begin() as connection:
        return connection.execute(
            text(
                "UPDATE searches SET status = 'open', failures = 0 "
                "WHERE round_id = :round_id AND status = 'failed'"
            ),
            {"round_id": round_id},
        ).rowcount


def last_error(database: Database, round_id: int) -> str:
    """The newest infrastructure failure of a round's searches; empty where there was none."""
    with database.begin() as connection:
        return (
            connection.execute(
                text(
                    "SELECT last_error FROM searches "
                    "WHERE round_id = :round_id AND last_error IS NOT NULL "
                    "ORDER BY failures DESC, id LIMIT 1"
                ),
                {"round_id": round_id},
            ).scalar_one_or_none()
            or ""
        )


def owners(database: Database, round_id: int) -> list[str]:
    """Who holds leases in a round."""
    with database.begin() as connection:
        return list(
            connection.execute(
                text(
                    "SELECT DISTINCT lease_owner FROM searches "
                    "WHERE round_id = :round_id AND status = 'leased'"
                ),
                {"round_id": round_id},
            ).scalars()
        )


def release_owner(database: Database, round_id: int, owner: str) -> None:
    """Free what a dead worker held."""
    with database.begin() as connection:
        connection.execute(
            text(
                "UPDATE searches SET status = 'open', lease_owner = NULL, lease_expires_at = NULL "
                "WHERE round_id = :round_id AND status = 'leased' AND lease_owner = :owner"
            ),
            {"round_id": round_id, "owner": owner},
        )
