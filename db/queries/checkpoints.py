"""Checkpoints and evaluations: one of a kind for each round, recorded after its files are there."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import insert, select

from db.models import Checkpoint, Evaluation, EvaluationAnswer
from db.records.checkpoints import CheckpointRow, EvaluationRow
from db.vocabulary import CheckpointKind, Verdict

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from db.records.checkpoints import AnswerRecord
    from db.session import Database

_CHECKPOINT = (
    Checkpoint.id,
    Checkpoint.kind,
    Checkpoint.round_number,
    Checkpoint.path,
    Checkpoint.content_hash,
    Checkpoint.metrics,
)


def record(
    database: Database,
    *,
    run_id: int,
    round_number: int,
    kind: CheckpointKind,
    path: str,
    started_from: str,
    dataset_id: int,
    content_hash: str,
    metrics: Mapping[str, object],
) -> CheckpointRow:
    with database.begin() as connection:
        row = connection.execute(
            insert(Checkpoint)
            .values(
                run_id=run_id,
                round_number=round_number,
                kind=kind,
                path=path,
                started_from=started_from,
                dataset_id=dataset_id,
                content_hash=content_hash,
                metrics=dict(metrics),
            )
            .returning(*_CHECKPOINT)
        ).one()
    return CheckpointRow(**row._mapping)


def find(
    database: Database, *, run_id: int, round_number: int, kind: CheckpointKind
) -> CheckpointRow | None:
    """The checkpoint that a round trained."""
    with database.begin() as connection:
        row = connection.execute(
            select(*_CHECKPOINT).where(
                Checkpoint.run_id == run_id,
                Checkpoint.round_number == round_number,
                Checkpoint.kind == kind,
            )
        ).one_or_none()
    return CheckpointRow(**row._mapping) if row else None


def latest(
    database: Database, *, run_id: int, before_round: int, kind: CheckpointKind
) -> CheckpointRow | None:
    """The newest checkpoint of the rounds before `before_round`."""
    with database.begin() as connection:
        row = connection.execute(
            select(*_CHECKPOINT)
            .where(
                Checkpoint.run_id == run_id,
                Checkpoint.round_number < before_round,
                Checkpoint.kind == kind,
            )
            .order_by(Checkpoint.round_number.desc())
            .limit(1)
        ).one_or_none()
    return CheckpointRow(**row._mapping) if row else None


def by_id(database: Database, checkpoint_id: int) -> CheckpointRow:
    with database.begin() as connection:
        row = connection.execute(select(*_CHECKPOINT).where(Checkpoint.id == checkpoint_id)).one()
    return CheckpointRow(**row._mapping)


def find_by_id(database: Database, checkpoint_id: int) -> CheckpointRow | None:
    with database.begin() as connection:
        row = connection.execute(
            select(*_CHECKPOINT).where(Checkpoint.id == checkpoint_id)
        ).one_or_none()
    return CheckpointRow(**row._mapping) if row else None


def record_evaluation(
    database: Database,
    checkpoint_id: int,
    *,
    benchmark: str,
    metric: str,
    answers: Sequence[AnswerRecord],
) -> None:
    """Store what a checkpoint answered; the score is counted from the answers."""
    with database.begin() as connection:
        evaluation_id = connection.execute(
            insert(Evaluation)
            .values(
                checkpoint_id=checkpoint_id,
                benchmark=benchmark,
                metric=metric,
                correct=sum(answer.verdict is Verdict.EQUAL for answer in answers),
                total=len(answers),
            )
            .returning(Evaluation.id)
        ).scalar_one()
        connection.execute(
            insert(EvaluationAnswer),
            [
                {
                    "evaluation_id": evaluation_id,
                    "problem_id": answer.problem_id,
                    "verdict": answer.verdict,
                    "completion": answer.completion,
                }
                for answer in answers
            ],
        )


def evaluations(database: Database, run_id: int) -> list[EvaluationRow]:
    """Every evaluation of a run's checkpoints, in the order of the rounds that trained them."""
    with database.begin() as connection:
        rows = connection.execute(
            select(
                Checkpoint.round_number,
                Evaluation.benchmark,
                Evaluation.metric,
                Evaluation.correct,
                Evaluation.total,
            )
            .join(Checkpoint, Checkpoint.id == Evaluation.checkpoint_id)
            .where(Checkpoint.run_id == run_id)
            .order_by(Checkpoint.round_number, Evaluation.benchmark)
        )
        return [EvaluationRow(**row._mapping) for row in rows]


def is_evaluated(database: Database, checkpoint_id: int, *, benchmark: str, metric: str) -> bool:
    with database.begin() as connection:
        return (
            connection.execute(
                select(Evaluation.id).where(
                    Evaluation.checkpoint_id == checkpoint_id,
                    Evaluation.benchmark == benchmark,
                    Evaluation.metric == metric,
                )
            ).one_or_none()
            is not None
        )
