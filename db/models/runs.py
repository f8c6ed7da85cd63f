"""Runs, rounds and stages: what was to be done, with which profile, and how far it came."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import BigInteger, CheckConstraint, ForeignKey, Identity, UniqueConstraint
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from db.models.base import Base, Created, enumeration
from db.vocabulary import StageName, StageStatus


class Run(Created, Base):
    """A run: a profile, a base model, problems, and the rounds made of them."""

    __tablename__ = "runs"
    __table_args__ = (CheckConstraint("name <> ''", name="name_not_empty"),)

    id: Mapped[int] = mapped_column(BigInteger, Identity(always=True), primary_key=True)
    name: Mapped[str] = mapped_column(unique=True, comment="Name of the run")
    profile: Mapped[dict[str, object]] = mapped_column(
        JSONB, comment="The whole profile, so that every label can be explained"
    )
    base_model: Mapped[str] = mapped_column(comment="Folder of the base model")


class Round(Created, Base):
    """One cycle. Its number is 1 or more; the bootstrap is the run's own."""

    __tablename__ = "rounds"
    __table_args__ = (
        UniqueConstraint("run_id", "number"),
        CheckConstraint("number >= 1", name="number_from_one"),
    )

    id: Mapped[int] = mapped_column(BigInteger, Identity(always=True), primary_key=True)
    run_id: Mapped[int] = mapped_column(ForeignKey("runs.id"))
    number: Mapped[int] = mapped_column(comment="Number in its run, from 1")
    policy_checkpoint_id: Mapped[int | None] = mapped_column(
        ForeignKey("checkpoints.id"),
        comment="The policy that searches; null: the bootstrap endpoint's model",
    )
    ppm_checkpoint_id: Mapped[int | None] = mapped_column(
        ForeignKey("checkpoints.id"), comment="The PPM that gives the priors; null: terminal-guided"
    )
    finished_at: Mapped[datetime | None] = mapped_column(comment="When its last stage ended")


class Stage(Base):
    """One stage of a run; round_number 0 is the bootstrap. A stage that is done is not repeated."""

    __tablename__ = "stages"
    __table_args__ = (
        CheckConstraint("round_number >= 0", name="round_number_from_zero"),
        CheckConstraint("(status = 'done') = (finished_at IS NOT NULL)", name="done_has_end"),
        CheckConstraint("seconds >= 0", name="seconds_not_negative"),
    )

    run_id: Mapped[int] = mapped_column(ForeignKey("runs.id"), primary_key=True)
    round_number: Mapped[int] = mapped_column(primary_key=True, comment="0 is the bootstrap")
    name: Mapped[StageName] = mapped_column(
        enumeration(StageName, "stage_name"), primary_key=True, comment="Name of the stage"
    )
    status: Mapped[StageStatus] = mapped_column(
        enumeration(StageStatus, "stage_status"), comment="Whether it is done"
    )
    started_at: Mapped[datetime] = mapped_column(comment="When its last attempt began")
    finished_at: Mapped[datetime | None] = mapped_column(comment="When it was done")
    seconds: Mapped[float] = mapped_column(comment="Wall time spent, over all attempts")
    gpus: Mapped[float | None] = mapped_column(
        comment="GPUs that were held while it ran; null: not known"
    )
