"""Other labels for the same trees, and what people decided of suspicious problems.

A labelling is a round of a run of its own that holds the trees of another round with other values:
what was labelled first stays as it is, and whatever reads rounds reads a labelling.
"""

from __future__ import annotations

from sqlalchemy import CheckConstraint, ForeignKey
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from db.models.base import Base, Created, enumeration
from db.vocabulary import ReviewDecision


class Labelling(Created, Base):
    """Says of a round that its trees were not searched but relabelled, from which round and how."""

    __tablename__ = "labellings"
    __table_args__ = (CheckConstraint("round_id <> source_round_id", name="of_another_round"),)

    round_id: Mapped[int] = mapped_column(
        ForeignKey("rounds.id"), primary_key=True, comment="Round that holds the new labels"
    )
    source_round_id: Mapped[int] = mapped_column(
        ForeignKey("rounds.id"), index=True, comment="Round whose trees they are"
    )
    spec: Mapped[dict[str, object]] = mapped_column(
        JSONB, comment="Grader, rewards, exploration constant and PPM of the new labels"
    )


class ProblemReview(Created, Base):
    """What somebody decided of a problem whose ground truth looked wrong."""

    __tablename__ = "problem_reviews"

    problem_id: Mapped[int] = mapped_column(
        ForeignKey("problems.id"), primary_key=True, comment="Problem"
    )
    decision: Mapped[ReviewDecision] = mapped_column(
        enumeration(ReviewDecision, "review_decision"), comment="What it was found to be"
    )
    note: Mapped[str] = mapped_column(server_default="", comment="Why, in words")
