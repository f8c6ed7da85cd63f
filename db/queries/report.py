"""What a run made, round by round."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import select, text

from db.models import Stage
from db.records.reports import RoundReport, StageTime, TierReport

if TYPE_CHECKING:
    from db.session import Database


def rounds(database: Database, run_id: int) -> list[RoundReport]:
    """One row for each round that was started."""
    with database.begin() as connection:
        rows = connection.execute(
            text(
                """
                SELECT r.number AS round_number, count(DISTINCT s.problem_id) AS problems,
                       count(DISTINCT s.problem_id) FILTER (WHERE s.solved) AS solved,
                       count(DISTINCT s.problem_id) FILTER (WHERE s.solved AND NOT EXISTS (
                           SELECT FROM searches AS e JOIN rounds AS b ON b.id = e.round_id
                           WHERE e.problem_id = s.problem_id AND e.solved
                             AND b.run_id = r.run_id AND b.number < r.number)) AS newly_solved,
                       count(*) FILTER (WHERE s.status = 'done') AS searches,
                       coalesce(sum(s.node_count) FILTER (WHERE s.status = 'done'), 0)::bigint
                           AS nodes,
                       (SELECT count(*) FROM trajectories AS t WHERE t.round_id = r.id)
                           AS trajectories,
                       (SELECT count(*) FROM trajectories AS t
                        WHERE t.round_id = r.id AND t.correct) AS correct_trajectories,
                       (SELECT count(*) FROM preference_pairs AS q WHERE q.round_id = r.id)
                           AS pairs,
                       coalesce(sum(s.generated_tokens) FILTER (WHERE s.status = 'done'), 0)
                           ::bigint AS tokens
                FROM rounds AS r LEFT JOIN searches AS s ON s.round_id = r.id
                WHERE r.run_id = :run_id
                GROUP BY r.id ORDER BY r.number
                """
            ),
            {"run_id": run_id},
        )
        return [RoundReport(**row._mapping) for row in rows]


def tiers(database: Database, run_id: int) -> list[TierReport]:
    """What each tier of a round's escalation did; nothing for rounds without one."""
    with database.begin() as connection:
        rows = connection.execute(
            text(
                """
                SELECT r.number AS round_number, s.tier,
                       count(*) FILTER (WHERE s.status = 'done') AS searches,
                       count(*) FILTER (WHERE s.solved) AS solved,
                       coalesce(sum(s.rollouts), 0)::bigint AS rollouts,
                       coalesce(sum(s.generated_tokens), 0)::bigint AS tokens
                FROM searches AS s JOIN rounds AS r ON r.id = s.round_id
                WHERE r.run_id = :run_id AND EXISTS (
                    SELECT FROM searches AS e WHERE e.round_id = r.id AND e.tier > 0)
                GROUP BY r.number, s.tier ORDER BY r.number, s.tier
                """
            ),
            {"run_id": run_id},
        )
        return [TierReport(**row._mapping) for row in rows]


def stage_times(database: Database, run_id: int) -> list[StageTime]:
    """Wall time of each stage, in the order in which they started."""
    with database.begin() as connection:
        rows = connection.execute(
            select(Stage.round_number, Stage.name, Stage.seconds)
            .where(Stage.run_id == run_id)
            .order_by(Stage.round_number, Stage.started_at)
        )
        return [StageTime(**row._mapping) for row in rows]
