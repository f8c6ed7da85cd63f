"""Labellings: rounds that hold the trees of other rounds with other labels."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import insert, select, text
from sqlalchemy.dialects.postgresql import insert as upsert

from db.models import Labelling, Run, RunProblem
from db.records.labellings import LabellingChange

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from db.records.runs import RunRow
    from db.session import Database


def create_run(
    database: Database, source: RunRow, *, name: str, profile: Mapping[str, object]
) -> None:
    """A run for labellings of `source`: the same problems and splits. Nothing if it is there."""
    with database.begin() as connection:
        run_id = connection.execute(
            upsert(Run)
            .values(name=name, profile=dict(profile), base_model=source.base_model)
            .on_conflict_do_nothing(index_elements=["name"])
            .returning(Run.id)
        ).scalar_one_or_none()
        if run_id is not None:
            connection.execute(
                insert(RunProblem).from_select(
                    ["run_id", "problem_id", "split", "position"],
                    select(
                        text(str(int(run_id))),
                        RunProblem.problem_id,
                        RunProblem.split,
                        RunProblem.position,
                    ).where(RunProblem.run_id == source.id),
                )
            )


def describe(
    database: Database, round_id: int, *, source_round_id: int, spec: Mapping[str, object]
) -> tuple[int, Mapping[str, object]]:
    """Note what a round's labels are made from; what was noted first stands.

    Returns the source round and the spec that hold for the round.
    """
    with database.begin() as connection:
        connection.execute(
            upsert(Labelling)
            .values(round_id=round_id, source_round_id=source_round_id, spec=dict(spec))
            .on_conflict_do_nothing()
        )
        row = connection.execute(
            select(Labelling.source_round_id, Labelling.spec).where(Labelling.round_id == round_id)
        ).one()
    return row.source_round_id, row.spec


def is_labelling(database: Database, round_id: int) -> bool:
    """Whether a round was relabelled rather than searched."""
    with database.begin() as connection:
        found = connection.execute(
            select(Labelling.round_id).where(Labelling.round_id == round_id)
        ).scalar_one_or_none()
    return found is not None


def plan(database: Database, round_id: int, *, source_round_id: int) -> None:
    """An open search for each done one of the source round; those that are there stay."""
    with database.begin() as connection:
        connection.execute(
            text(
                "INSERT INTO searches (round_id, problem_id, seed, tier) "
                "SELECT :round_id, problem_id, seed, tier FROM searches "
                "WHERE round_id = :source AND status = 'done' ORDER BY id "
                "ON CONFLICT (round_id, problem_id, seed) DO NOTHING"
            ),
            {"round_id": round_id, "source": source_round_id},
        )


def sources(
    database: Database, source_round_id: int, search_ids: Sequence[int]
) -> dict[int, tuple[int, int, str]]:
    """(search, rollouts, sandbox) in the source round of each search of a labelling, by its id."""
    with database.begin() as connection:
        rows = connection.execute(
            text(
                "SELECT n.id, o.id AS old_id, o.rollouts, coalesce(o.sandbox, '') AS sandbox "
                "FROM searches AS n "
                "JOIN searches AS o ON o.round_id = :source AND o.problem_id = n.problem_id "
                "AND o.seed = n.seed WHERE n.id = ANY(:ids)"
            ),
            {"source": source_round_id, "ids": list(search_ids)},
        )
        return {row.id: (row.old_id, row.rollouts, row.sandbox) for row in rows}


def leave_out(database: Database, search_id: int, reason: str) -> None:
    """Give a search of a labelling up: it cannot be labelled so."""
    with database.begin() as connection:
        connection.execute(
            text(
                "UPDATE searches SET status = 'failed', last_error = :reason, "
                "lease_owner = NULL, lease_expires_at = NULL WHERE id = :id"
            ),
            {"id": search_id, "reason": reason},
        )


def changes(database: Database, round_id: int, *, source_round_id: int) -> LabellingChange:
    """What the labels of a labelling change, over the searches that it could label."""
    with database.begin() as connection:
        row = connection.execute(
            text(
                """
                WITH compared AS (
                    SELECT n.id AS new_id, o.id AS old_id, n.rollouts AS new_rollouts,
                           o.rollouts AS old_rollouts, n.solved AS now, o.solved AS before
                    FROM searches AS n JOIN searches AS o
                      ON o.round_id = :source AND o.problem_id = n.problem_id AND o.seed = n.seed
                    WHERE n.round_id = :round_id AND n.status = 'done'
                ), labels AS (
                    SELECT count(*) FILTER (WHERE n.visit_count > 0 OR o.visit_count > 0) AS labels,
                           count(*) FILTER (
                               WHERE (n.visit_count > 0 OR o.visit_count > 0)
                                 AND (abs(n.q_value - o.q_value) > 1e-9
                                      OR n.visit_count <> o.visit_count)) AS changed,
                           count(*) FILTER (WHERE n.verdict IS DISTINCT FROM o.verdict) AS verdicts
                    FROM compared AS b
                    JOIN nodes AS n ON n.round_id = :round_id AND n.search_id = b.new_id
                    JOIN nodes AS o ON o.round_id = :source AND o.search_id = b.old_id
                                   AND o.node_no = n.node_no
                ), paired AS (
                    SELECT n.id AS now, o.id AS before
                    FROM (SELECT b.old_id, q.* FROM compared AS b
                          JOIN preference_pairs AS q ON q.search_id = b.new_id
                                                    AND q.round_id = :round_id) AS n
                    FULL JOIN (SELECT q.* FROM compared AS b
                               JOIN preference_pairs AS q ON q.search_id = b.old_id
                                                         AND q.round_id = :source) AS o
                      ON o.search_id = n.old_id AND o.kind = n.kind
                     AND o.chosen_no = n.chosen_no AND o.rejected_no = n.rejected_no
                )
                SELECT (SELECT count(*) FROM compared) AS searches,
                       (SELECT count(*) FROM searches
                        WHERE round_id = :round_id AND status = 'failed') AS left_out,
                       (SELECT coalesce(sum(old_rollouts), 0)::bigint FROM compared)
                           AS rollouts_before,
                       (SELECT coalesce(sum(new_rollouts), 0)::bigint FROM compared) AS rollouts,
                       l.labels, l.changed AS labels_changed, l.verdicts AS verdicts_changed,
                       (SELECT count(*) FROM compared WHERE now AND NOT before) AS newly_solved,
                       (SELECT count(*) FROM compared WHERE before AND NOT now)
                           AS no_longer_solved,
                       (SELECT count(*) FROM paired WHERE before IS NOT NULL AND now IS NOT NULL)
                           AS pairs_kept,
                       (SELECT count(*) FROM paired WHERE before IS NULL) AS pairs_gained,
                       (SELECT count(*) FROM paired WHERE now IS NULL) AS pairs_lost
                FROM labels AS l
                """
            ),
            {"round_id": round_id, "source": source_round_id},
        ).one()
    return LabellingChange(**row._mapping)
