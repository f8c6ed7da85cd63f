"""Searches: planned once, held under leases, written by whoever holds them.

Every write of a tree (`db.bulk.commit_trees`) is guarded by the search's lease token.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import text

from db.bulk import commit_trees
from db.queries.leases import COUNTS, LeaseTable
from db.records.searches import ClaimedSearch, SearchProgress, SearchResult

if TYPE_CHECKING:
    from collections.abc import Sequence

    from db.session import Database

LEASES: LeaseTable[ClaimedSearch] = LeaseTable(
    table="searches",
    keys=("id",),
    reading="""
        SELECT w.id AS search_id, w.round_id, w.problem_id, w.seed, w.tier, w.lease_token,
               p.question, p.answer, w.rollouts, w.node_count, w.seconds
        FROM claimed AS w JOIN problems AS p ON p.id = w.problem_id
    """,
    read=lambda row: ClaimedSearch(**row._mapping),
    name=lambda search: f"search {search.search_id}",
)


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


def commit(database: Database, search: ClaimedSearch, result: SearchResult) -> None:
    """Write what a search has come to, in one transaction. A done one again changes nothing.

    Raises:
        LeaseLost: somebody claimed the search since; nothing was written.
    """
    if commit_trees(database, [(search, result)]).lost:
        raise LEASES.lost(search)


def with_too_long_questions(database: Database, round_id: int) -> list[int]:
    """Problems of a round whose question is too long for the policy, in order."""
    with database.begin() as connection:
        rows = connection.execute(
            text(
                """
                SELECT DISTINCT s.problem_id
                FROM searches AS s
                JOIN nodes AS n ON n.round_id = s.round_id AND n.search_id = s.id
                WHERE s.round_id = :round_id AND s.status = 'done' AND n.node_no = 0
                  AND n.terminal_reason = 'prompt_too_long'
                ORDER BY s.problem_id
                """
            ),
            {"round_id": round_id},
        )
        return [row.problem_id for row in rows]


def progress(database: Database, round_id: int) -> SearchProgress:
    """Counts over the searches of a round."""
    with database.begin() as connection:
        row = connection.execute(
            text(
                f"""
                SELECT {COUNTS}, count(*) FILTER (WHERE solved) AS solved,
                       coalesce(sum(node_count), 0)::bigint AS nodes,
                       coalesce(sum(generated_tokens), 0)::bigint AS tokens
                FROM searches WHERE round_id = :round_id
                """  # noqa: S608
            ),
            {"round_id": round_id},
        ).one()
    return SearchProgress(**row._mapping)
