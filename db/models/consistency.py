"""Labels without a ground truth: which trajectories wait for a check, and what each check found.

A candidate is judged by whoever holds its newest lease token, as a search is searched; its checks
are written in the transaction that closes it, so a candidate has all of its checks or none.
"""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Computed,
    ForeignKey,
    ForeignKeyConstraint,
    Index,
    SmallInteger,
)
from sqlalchemy.orm import Mapped, mapped_column

from db.models.base import Base, Created, enumeration
from db.vocabulary import SearchStatus, Verdict


class ConsistencyCandidate(Base):
    """A trajectory that gave an answer to a problem without a ground truth."""

    __tablename__ = "consistency_candidates"
    __table_args__ = (
        CheckConstraint("confidence BETWEEN 0 AND 1", name="confidence_is_a_share"),
        CheckConstraint("abs(mean_q) <= 1", name="mean_q_in_range"),
        CheckConstraint("steps >= 1", name="steps_from_one"),
        CheckConstraint(
            "(status = 'leased') = (lease_owner IS NOT NULL AND lease_expires_at IS NOT NULL)",
            name="leased_has_owner",
        ),
        CheckConstraint("lease_token >= 0 AND failures >= 0", name="counters_not_negative"),
        Index("ix_consistency_candidates_round_id_status", "round_id", "status"),
    )

    search_id: Mapped[int] = mapped_column(ForeignKey("searches.id"), primary_key=True)
    leaf_no: Mapped[int] = mapped_column(
        primary_key=True, autoincrement=False, comment="node_no of its answer"
    )
    round_id: Mapped[int] = mapped_column(ForeignKey("rounds.id"))
    confidence: Mapped[float] = mapped_column(
        comment="Share of the search's answers equal to its own, weighed by proposals"
    )
    mean_q: Mapped[float] = mapped_column(comment="Mean Q of its steps, the root left out")
    steps: Mapped[int] = mapped_column(comment="Nodes of its path, the root left out")
    status: Mapped[SearchStatus] = mapped_column(
        enumeration(SearchStatus, "search_status"),
        server_default=SearchStatus.OPEN.value,
        comment="open, leased, done (it has its checks), failed (given up)",
    )
    lease_token: Mapped[int] = mapped_column(
        BigInteger, server_default="0", comment="Rises with every claim; a stale one writes nothing"
    )
    lease_owner: Mapped[str | None] = mapped_column(comment="Host and process of the worker")
    lease_expires_at: Mapped[datetime | None] = mapped_column(comment="Free again after this")
    failures: Mapped[int] = mapped_column(server_default="0", comment="Infrastructure failures")
    last_error: Mapped[str | None] = mapped_column(comment="The newest of those failures")


class ConsistencyCheck(Created, Base):
    """A completion of a trajectory's prefix by the discriminator (rStar section 3.3)."""

    __tablename__ = "consistency_checks"
    __table_args__ = (
        ForeignKeyConstraint(
            ["search_id", "leaf_no"],
            ["consistency_candidates.search_id", "consistency_candidates.leaf_no"],
        ),
        CheckConstraint("prefix_share BETWEEN 0.2 AND 0.8", name="prefix_share_in_range"),
        CheckConstraint("prefix_steps >= 0 AND prefix_steps < of_steps", name="prefix_is_proper"),
        CheckConstraint("(verdict IS NULL) = (answer IS NULL)", name="answers_are_compared"),
        CheckConstraint("check_no >= 0", name="check_no_from_zero"),
    )

    search_id: Mapped[int] = mapped_column(
        BigInteger, primary_key=True, autoincrement=False, comment="Search of the trajectory"
    )
    leaf_no: Mapped[int] = mapped_column(
        primary_key=True, autoincrement=False, comment="Trajectory that is checked"
    )
    check_no: Mapped[int] = mapped_column(
        SmallInteger, primary_key=True, autoincrement=False, comment="Counted from 0"
    )
    discriminator: Mapped[str] = mapped_column(comment="Checkpoint folder, or model of a server")
    seed: Mapped[int] = mapped_column(BigInteger, comment="Of the prefix and of the completion")
    prefix_share: Mapped[float] = mapped_column(comment="Drawn from [0.2, 0.8]")
    prefix_steps: Mapped[int] = mapped_column(comment="Steps that the discriminator was given")
    of_steps: Mapped[int] = mapped_column(comment="Steps that could be given; the answer is none")
    completion: Mapped[str] = mapped_column(comment="What the discriminator wrote")
    answer: Mapped[str | None] = mapped_column(comment="Its answer; null where it came to none")
    verdict: Mapped[Verdict | None] = mapped_column(
        enumeration(Verdict, "verdict"), comment="How its answer compares with the trajectory's"
    )
    agrees: Mapped[bool] = mapped_column(
        Computed("verdict IS NOT NULL AND verdict = 'equal'", persisted=True),
        comment="Whether its answer is the trajectory's",
    )
    generated_tokens: Mapped[int] = mapped_column(comment="Tokens of the discriminator")
