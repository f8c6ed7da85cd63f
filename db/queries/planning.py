"""What a round may search next: problems to escalate, and what earlier searches tell of each."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import text

from db.records.searches import Prospect

if TYPE_CHECKING:
    from collections.abc import Sequence

    from db.session import Database

# Done searches of the run, with their correct rollouts: those of a curated round are counted, else
# the tree's root tells them (an undecided end counts half).
_PAST = """
    SELECT s.problem_id, s.rollouts, s.generated_tokens, s.solved,
           coalesce(t.correct_rollouts, (n.visit_count + n.value_sum) / 2, s.solved::int) AS correct
    FROM searches AS s
    JOIN rounds AS r ON r.id = s.round_id
    LEFT JOIN search_statistics AS t ON t.search_id = s.id
    LEFT JOIN nodes AS n ON n.round_id = s.round_id AND n.search_id = s.id AND n.node_no = 0
    WHERE s.status = 'done' AND r.run_id = (SELECT run_id FROM rounds WHERE id = :round_id)
"""

# The searches of problems that this round can take further: all of theirs are done, none solved it.
# A problem without a ground truth cannot be solved, so it is never escalated.
_UNSOLVED = """
    SELECT s.problem_id, max(s.tier) AS tier
    FROM searches AS s JOIN problems AS p ON p.id = s.problem_id
    WHERE s.round_id = :round_id AND p.answer IS NOT NULL
    GROUP BY s.problem_id
    HAVING bool_and(s.status = 'done') AND NOT bool_or(coalesce(s.solved, false))
"""


def unsolved_after(database: Database, round_id: int, *, tier: int) -> list[int]:
    """Problems whose last search of the round was of this tier and that are still unsolved."""
    with database.begin() as connection:
        rows = connection.execute(
            text(f"{_UNSOLVED} AND max(s.tier) = :tier ORDER BY s.problem_id"),
            {"round_id": round_id, "tier": tier},
        )
        return [row.problem_id for row in rows]


def prospects(
    database: Database, round_id: int, problem_ids: Sequence[int], *, tiers: int
) -> list[Prospect]:
    """The problems that could be searched next, each with its next tier, in the given order.

    What is known of each comes from every done search of the run.
    """
    with database.begin() as connection:
        rows = connection.execute(
            text(
                f"""
                WITH wanted AS (
                    SELECT problem_id, place FROM unnest(CAST(:problem_ids AS bigint[]))
                    WITH ORDINALITY AS w (problem_id, place)
                ), next AS (
                    SELECT w.problem_id, w.place, coalesce(u.tier + 1, 0) AS tier
                    FROM wanted AS w LEFT JOIN ({_UNSOLVED}) AS u USING (problem_id)
                    WHERE u.tier + 1 < :tiers OR NOT EXISTS (
                        SELECT FROM searches AS s
                        WHERE s.round_id = :round_id AND s.problem_id = w.problem_id)
                ), past AS (
                    SELECT problem_id, sum(rollouts)::bigint AS rollouts,
                           sum(generated_tokens)::bigint AS tokens, bool_or(solved) AS solved,
                           sum(correct) AS correct
                    FROM ({_PAST}) AS done GROUP BY problem_id
                )
                SELECT x.problem_id, p.source, x.tier, coalesce(a.solved, false) AS solved,
                       coalesce(a.rollouts, 0) AS rollouts,
                       coalesce(a.correct, 0)::float8 AS correct,
                       coalesce(a.tokens, 0) AS tokens
                FROM next AS x JOIN problems AS p ON p.id = x.problem_id
                LEFT JOIN past AS a ON a.problem_id = x.problem_id
                ORDER BY x.place
                """  # noqa: S608  # put together from constants of this module
            ),
            {"round_id": round_id, "problem_ids": list(problem_ids), "tiers": tiers},
        )
        return [Prospect(**row._mapping) for row in rows]


def group_totals(database: Database, round_id: int) -> dict[str, tuple[int, float, int]]:
    """(rollouts, correct rollouts, tokens) of the run's done searches, by the problems' source."""
    with database.begin() as connection:
        rows = connection.execute(
            text(
                f"""
                SELECT p.source, sum(d.rollouts)::bigint AS rollouts,
                       sum(d.correct)::float8 AS correct, sum(d.generated_tokens)::bigint AS tokens
                FROM ({_PAST}) AS d JOIN problems AS p ON p.id = d.problem_id
                GROUP BY p.source
                """  # noqa: S608  # put together from constants of this module
            ),
            {"round_id": round_id},
        )
        return {row.source: (row.rollouts, row.correct, row.tokens) for row in rows}


def unfinished_tiers(database: Database, round_id: int) -> dict[int, int]:
    """How many searches of each tier are open or leased."""
    with database.begin() as connection:
        rows = connection.execute(
            text(
                "SELECT tier, count(*) FROM searches "
                "WHERE round_id = :round_id AND status IN ('open', 'leased') GROUP BY tier"
            ),
            {"round_id": round_id},
        )
        return dict(tuple(row) for row in rows)
