"""Problems: a question is stored once, however often and from wherever it is imported."""

from __future__ import annotations

from sqlalchemy import BigInteger, CheckConstraint, ForeignKey, Identity, Index
from sqlalchemy.orm import Mapped, mapped_column

from db.models.base import Base, Created, enumeration
from db.vocabulary import Split


class Problem(Created, Base):
    """A question with its ground truth; one row a question."""

    __tablename__ = "problems"
    __table_args__ = (
        CheckConstraint("question <> ''", name="question_not_empty"),
        CheckConstraint("octet_length(content_hash) = 32", name="content_hash_is_sha256"),
    )

    id: Mapped[int] = mapped_column(BigInteger, Identity(always=True), primary_key=True)
    source: Mapped[str] = mapped_column(comment="Where the problem was first imported from")
    external_id: Mapped[str] = mapped_column(comment="Its id in that source")
    question: Mapped[str] = mapped_column(comment="The question, as the policy reads it")
    answer: Mapped[str | None] = mapped_column(comment="Ground truth; missing for open problems")
    solution: Mapped[str | None] = mapped_column(
        comment="Reference solution, if the source has one"
    )
    content_hash: Mapped[bytes] = mapped_column(
        unique=True, comment="sha256 of the normalised question: one row a question"
    )


class RunProblem(Base):
    """The problems of a run. The split is drawn once, when the run is made."""

    __tablename__ = "run_problems"
    __table_args__ = (
        Index("ix_run_problems_run_id_position", "run_id", "position", unique=True),
        Index("ix_run_problems_problem_id", "problem_id"),
        CheckConstraint("position >= 0", name="position_not_negative"),
    )

    run_id: Mapped[int] = mapped_column(ForeignKey("runs.id"), primary_key=True)
    problem_id: Mapped[int] = mapped_column(ForeignKey("problems.id"), primary_key=True)
    split: Mapped[Split] = mapped_column(enumeration(Split, "split"), comment="train or held_out")
    position: Mapped[int] = mapped_column(comment="Order within the run")
