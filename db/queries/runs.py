"""Runs, rounds and stages: the problems and splits of a run are fixed when it is made."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import Float, cast, func, insert, select, text, update
from sqlalchemy.dialects.postgresql import insert as upsert

from db.migrate import PARTITION_PREFIX
from db.models import Archive, Round, Run, RunProblem, Stage
from db.records.runs import RoundRow, RunRow
from db.vocabulary import StageName, StageStatus

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from sqlalchemy import Connection

    from db.records.problems import RunProblemRecord
    from db.session import Database

_RUN = (Run.id, Run.name, Run.profile, Run.base_model, Run.created_at)
_ROUND = (
    Round.id,
    Round.run_id,
    Round.number,
    Round.policy_checkpoint_id,
    Round.ppm_checkpoint_id,
    Round.finished_at,
)


def create(
    database: Database,
    *,
    name: str,
    profile: Mapping[str, object],
    base_model: str,
    problems: Sequence[RunProblemRecord],
) -> RunRow:
    """A new run with its problems and their splits."""
    with database.begin() as connection:
        return insert_run(
            connection, name=name, profile=profile, base_model=base_model, problems=problems
        )


def insert_run(
    connection: Connection,
    *,
    name: str,
    profile: Mapping[str, object],
    base_model: str,
    problems: Sequence[RunProblemRecord],
) -> RunRow:
    """As `create`, on the caller's transaction."""
    row = connection.execute(
        insert(Run).values(name=name, profile=dict(profile), base_model=base_model).returning(*_RUN)
    ).one()
    connection.execute(
        insert(RunProblem),
        [
            {
                "run_id": row.id,
                "problem_id": problem.problem_id,
                "split": problem.split,
                "position": position,
            }
            for position, problem in enumerate(problems)
        ],
    )
    return RunRow(**row._mapping)


def by_name(database: Database, name: str) -> RunRow | None:
    with database.begin() as connection:
        row = connection.execute(select(*_RUN).where(Run.name == name)).one_or_none()
    return RunRow(**row._mapping) if row else None


def names(database: Database) -> list[str]:
    """Every run, the oldest first."""
    with database.begin() as connection:
        return list(connection.execute(select(Run.name).order_by(Run.id)).scalars())


def start_round(
    database: Database,
    *,
    run_id: int,
    number: int,
    policy_checkpoint_id: int | None,
    ppm_checkpoint_id: int | None,
) -> RoundRow:
    """The round and its partition of `nodes`; the one already there when it was started before."""
    with database.begin() as connection:
        return insert_round(
            connection,
            run_id=run_id,
            number=number,
            policy_checkpoint_id=policy_checkpoint_id,
            ppm_checkpoint_id=ppm_checkpoint_id,
        )


def insert_round(
    connection: Connection,
    *,
    run_id: int,
    number: int,
    policy_checkpoint_id: int | None = None,
    ppm_checkpoint_id: int | None = None,
) -> RoundRow:
    """As `start_round`, on the caller's transaction."""
    connection.execute(
        upsert(Round)
        .values(
            run_id=run_id,
            number=number,
            policy_checkpoint_id=policy_checkpoint_id,
            ppm_checkpoint_id=ppm_checkpoint_id,
        )
        .on_conflict_do_nothing(index_elements=["run_id", "number"])
    )
    row = connection.execute(
        select(*_ROUND).where(Round.run_id == run_id, Round.number == number)
    ).one()
    # The nodes of a round that was archived are in a file, and no partition must hide that.
    archived = connection.execute(
        select(Archive.round_id).where(Archive.round_id == row.id)
    ).scalar_one_or_none()
    if archived is None:
        partition = f"{PARTITION_PREFIX}{int(row.id)}"
        connection.execute(
            text(
                f"CREATE TABLE IF NOT EXISTS {partition} "
                f"PARTITION OF nodes FOR VALUES IN ({int(row.id)})"
            )
        )
    return RoundRow(**row._mapping)


def round_by_id(database: Database, round_id: int) -> RoundRow | None:
    with database.begin() as connection:
        row = connection.execute(select(*_ROUND).where(Round.id == round_id)).one_or_none()
    return RoundRow(**row._mapping) if row else None


def rounds_of(database: Database, run_id: int) -> list[RoundRow]:
    """The rounds of a run that were started, in order."""
    with database.begin() as connection:
        rows = connection.execute(
            select(*_ROUND).where(Round.run_id == run_id).order_by(Round.number)
        )
        return [RoundRow(**row._mapping) for row in rows]


def profile_of_round(database: Database, round_id: int) -> Mapping[str, object]:
    """The profile of the run that a round belongs to."""
    with database.begin() as connection:
        profile: Mapping[str, object] = connection.execute(
            select(Run.profile).join(Round, Round.run_id == Run.id).where(Round.id == round_id)
        ).scalar_one()
    return profile


def finish_round(database: Database, round_id: int) -> None:
    with database.begin() as connection:
        connection.execute(
            update(Round)
            .where(Round.id == round_id, Round.finished_at.is_(None))
            .values(finished_at=func.now())
        )


def stage_is_done(database: Database, *, run_id: int, round_number: int, name: StageName) -> bool:
    with database.begin() as connection:
        status = connection.execute(
            select(Stage.status).where(
                Stage.run_id == run_id, Stage.round_number == round_number, Stage.name == name
            )
        ).scalar_one_or_none()
    return status is StageStatus.DONE


def begin_stage(
    database: Database,
    *,
    run_id: int,
    round_number: int,
    name: StageName,
    gpus: float | None = None,
) -> None:
    """Note that a stage runs, and how many GPUs it holds; the time of earlier attempts is kept."""
    with database.begin() as connection:
        connection.execute(
            upsert(Stage)
            .values(
                run_id=run_id,
                round_number=round_number,
                name=name,
                status=StageStatus.RUNNING,
                started_at=func.now(),
                seconds=0,
                gpus=gpus,
            )
            .on_conflict_do_update(
                index_elements=["run_id", "round_number", "name"],
                set_={"started_at": func.now(), "gpus": gpus},
            )
        )


def stage_seconds(database: Database, *, run_id: int, round_number: int, name: StageName) -> float:
    """Wall time that a stage that runs has taken, over all attempts; one that was killed counts
    nothing."""
    elapsed = cast(func.extract("epoch", func.now() - Stage.started_at), Float)
    with database.begin() as connection:
        seconds = connection.execute(
            select(Stage.seconds + elapsed).where(
                Stage.run_id == run_id, Stage.round_number == round_number, Stage.name == name
            )
        ).scalar_one_or_none()
    return seconds or 0.0


def end_stage(
    database: Database, *, run_id: int, round_number: int, name: StageName, done: bool
) -> None:
    """Add the time since `begin_stage`; `done` says that the stage need not run again."""
    elapsed = cast(func.extract("epoch", func.now() - Stage.started_at), Float)
    with database.begin() as connection:
        connection.execute(
            update(Stage)
            .where(
                Stage.run_id == run_id,
                Stage.round_number == round_number,
                Stage.name == name,
                Stage.status == StageStatus.RUNNING,
            )
            .values(
                seconds=Stage.seconds + elapsed,
                status=StageStatus.DONE if done else StageStatus.RUNNING,
                finished_at=func.now() if done else None,
            )
        )
