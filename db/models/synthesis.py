"""Synthetic problems: every draft that a model wrote, where it came from, and what became of it.

A draft is written once, with its fate; only `kept` may later turn into `dropped`.
"""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    ForeignKey,
    Identity,
    SmallInteger,
    UniqueConstraint,
)
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.orm import Mapped, mapped_column

from db.models.base import Base, Created, enumeration
from db.vocabulary import DraftStatus


class SynthesisDraft(Created, Base):
    """A problem that a model wrote, and what became of it."""

    __tablename__ = "synthesis_drafts"
    __table_args__ = (
        UniqueConstraint("run_id", "batch_seed", "draft_no"),
        CheckConstraint(
            "(status IN ('kept', 'dropped')) = (problem_id IS NOT NULL)", name="kept_has_problem"
        ),
        CheckConstraint("(status = 'dropped') = (dropped_at IS NOT NULL)", name="dropped_has_time"),
        CheckConstraint("agreeing BETWEEN 0 AND solutions", name="agreeing_within_solutions"),
        CheckConstraint("(solutions > 0) = (solver IS NOT NULL)", name="solutions_have_solver"),
        CheckConstraint("(status = 'unreadable') = (question IS NULL)", name="read_has_question"),
        CheckConstraint("cardinality(seed_problem_ids) > 0", name="has_seed_problems"),
        CheckConstraint("correct_share BETWEEN 0 AND 1", name="correct_share_is_a_share"),
        CheckConstraint("draft_no >= 0", name="draft_no_from_zero"),
    )

    id: Mapped[int] = mapped_column(BigInteger, Identity(always=True), primary_key=True)
    run_id: Mapped[int] = mapped_column(ForeignKey("runs.id"))
    batch_seed: Mapped[int] = mapped_column(BigInteger, comment="Seed of the command")
    draft_no: Mapped[int] = mapped_column(comment="Counted from 0 within the batch")
    status: Mapped[DraftStatus] = mapped_column(
        enumeration(DraftStatus, "draft_status"), comment="What became of it"
    )
    seed_problem_ids: Mapped[list[int]] = mapped_column(
        ARRAY(BigInteger), comment="The problems that the writer was shown"
    )
    writer: Mapped[str] = mapped_column(comment="Model that wrote the question")
    prompt_version: Mapped[str] = mapped_column(comment="Of the writer's prompt")
    sampling_seed: Mapped[int] = mapped_column(BigInteger, comment="Seed of the writing")
    question: Mapped[str | None] = mapped_column(comment="Null where none could be read")
    solver: Mapped[str | None] = mapped_column(comment="Policy that solved it; null: not tried")
    solutions: Mapped[int] = mapped_column(SmallInteger, comment="Solutions that were sampled")
    agreeing: Mapped[int] = mapped_column(
        SmallInteger, comment="Solutions with the most frequent answer"
    )
    answer: Mapped[str | None] = mapped_column(comment="The most frequent answer")
    problem_id: Mapped[int | None] = mapped_column(ForeignKey("problems.id"), unique=True)
    correct_share: Mapped[float | None] = mapped_column(
        comment="Correct trajectories of its searches, of the graded ones, when last looked at"
    )
    dropped_at: Mapped[datetime | None] = mapped_column(comment="When it was dropped")
