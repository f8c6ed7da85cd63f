"""Checkpoints and evaluations: immutable outputs of training, and what was measured of them."""

from __future__ import annotations

from sqlalchemy import BigInteger, CheckConstraint, ForeignKey, Identity, UniqueConstraint
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from db.models.base import Base, Created, enumeration
from db.vocabulary import CheckpointKind, Verdict


class Checkpoint(Created, Base):
    """A trained model: immutable output of a round."""

    __tablename__ = "checkpoints"
    __table_args__ = (UniqueConstraint("run_id", "round_number", "kind"),)

    id: Mapped[int] = mapped_column(BigInteger, Identity(always=True), primary_key=True)
    run_id: Mapped[int] = mapped_column(ForeignKey("runs.id"))
    round_number: Mapped[int] = mapped_column(comment="Round that trained it; 0 is the bootstrap")
    kind: Mapped[CheckpointKind] = mapped_column(
        enumeration(CheckpointKind, "checkpoint_kind"), comment="policy or ppm"
    )
    path: Mapped[str] = mapped_column(comment="Its folder")
    started_from: Mapped[str] = mapped_column(comment="Folder of the model it was trained from")
    dataset_id: Mapped[int] = mapped_column(ForeignKey("datasets.id"))
    content_hash: Mapped[str] = mapped_column(comment="Hash over its files")
    metrics: Mapped[dict[str, object]] = mapped_column(JSONB, comment="What training measured")


class Evaluation(Created, Base):
    """What was measured of a checkpoint."""

    __tablename__ = "evaluations"
    __table_args__ = (
        UniqueConstraint("checkpoint_id", "benchmark", "metric"),
        CheckConstraint("correct BETWEEN 0 AND total", name="correct_within_total"),
        CheckConstraint("total > 0", name="not_empty"),
    )

    id: Mapped[int] = mapped_column(BigInteger, Identity(always=True), primary_key=True)
    checkpoint_id: Mapped[int] = mapped_column(ForeignKey("checkpoints.id"))
    benchmark: Mapped[str] = mapped_column(comment="held_out, or a named benchmark")
    metric: Mapped[str] = mapped_column(comment="pass@1 (greedy)")
    correct: Mapped[int] = mapped_column(comment="Problems answered correctly")
    total: Mapped[int] = mapped_column(comment="Problems asked")


class EvaluationAnswer(Base):
    """What the checkpoint answered to one problem."""

    __tablename__ = "evaluation_answers"

    evaluation_id: Mapped[int] = mapped_column(ForeignKey("evaluations.id"), primary_key=True)
    problem_id: Mapped[int] = mapped_column(ForeignKey("problems.id"), primary_key=True)
    verdict: Mapped[Verdict | None] = mapped_column(
        enumeration(Verdict, "verdict"), comment="Null where no answer was given"
    )
    completion: Mapped[str] = mapped_column(comment="What the model wrote")
