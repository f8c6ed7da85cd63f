"""Searches and their nodes.

A search writes its nodes as it goes, and every transaction that does so holds only while the lease
token is the one under which the work was claimed: a search has one writer, and is done at most
once. Its row says how many rollouts and nodes are stored, so whoever claims it goes on from there.
Nodes are labels only once their search is done; whatever reads labels asks for that.

Nodes carry no foreign keys. Each would cost a look-up for every row of a bulk COPY; the fenced
transaction locks the search's row, and `CHECK (parent_no < node_no)` with the primary key makes
every node's parent an earlier row of the same COPY or of one before. `db.queries.integrity`
verifies both.
"""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import (
    REAL,
    BigInteger,
    CheckConstraint,
    Computed,
    ForeignKey,
    Identity,
    Index,
    PrimaryKeyConstraint,
    SmallInteger,
    UniqueConstraint,
)
from sqlalchemy.orm import Mapped, mapped_column

from db.models.base import Base, Created, enumeration
from db.values import Q_VALUE
from db.vocabulary import Outcome, SearchStatus, StepKind, TerminalReason, Verdict


class Search(Created, Base):
    """One tree for one problem with one seed in one round: the unit of work."""

    __tablename__ = "searches"
    __table_args__ = (
        UniqueConstraint("round_id", "problem_id", "seed"),
        CheckConstraint(
            "(status = 'leased') = (lease_owner IS NOT NULL AND lease_expires_at IS NOT NULL)",
            name="leased_has_owner",
        ),
        CheckConstraint("(status = 'done') = (solved IS NOT NULL)", name="done_has_result"),
        CheckConstraint("lease_token >= 0 AND failures >= 0", name="counters_not_negative"),
        CheckConstraint("tier >= 0", name="tier_not_negative"),
        Index("ix_searches_round_id_status", "round_id", "status"),
        Index("ix_searches_problem_id", "problem_id"),
    )

    id: Mapped[int] = mapped_column(BigInteger, Identity(always=True), primary_key=True)
    round_id: Mapped[int] = mapped_column(ForeignKey("rounds.id"))
    problem_id: Mapped[int] = mapped_column(ForeignKey("problems.id"))
    seed: Mapped[int] = mapped_column(BigInteger, comment="Seed of its sampling")
    tier: Mapped[int] = mapped_column(
        SmallInteger,
        server_default="0",
        comment="Place among the profile's tiers: which rollouts and candidates applied",
    )
    status: Mapped[SearchStatus] = mapped_column(
        enumeration(SearchStatus, "search_status"),
        server_default=SearchStatus.OPEN.value,
        comment="Where it stands; only done carries labels",
    )
    lease_token: Mapped[int] = mapped_column(
        BigInteger,
        server_default="0",
        comment="Rises with every claim; a stale one commits nothing",
    )
    lease_owner: Mapped[str | None] = mapped_column(comment="Worker that holds it")
    lease_expires_at: Mapped[datetime | None] = mapped_column(comment="When another may claim it")
    failures: Mapped[int] = mapped_column(server_default="0", comment="Infrastructure failures")
    last_error: Mapped[str | None] = mapped_column(comment="The last of them")
    solved: Mapped[bool | None] = mapped_column(comment="A correct trajectory was found")
    rollouts: Mapped[int] = mapped_column(server_default="0", comment="Rollouts that are stored")
    node_count: Mapped[int] = mapped_column(server_default="0", comment="Nodes that are stored")
    generated_tokens: Mapped[int] = mapped_column(
        BigInteger, server_default="0", comment="Tokens that the policy wrote"
    )
    seconds: Mapped[float] = mapped_column(server_default="0", comment="Wall time of the search")
    sandbox: Mapped[str | None] = mapped_column(comment="Provider and image that ran the steps")
    finished_at: Mapped[datetime | None] = mapped_column(comment="When it was done")


class Node(Base):
    """A step in the tree of a search; partitioned by round."""

    # A round of the paper has a billion of these, so that eight bytes are eight gigabytes: columns
    # stand in the order of their alignment and leave no gaps, and the key is in the order that
    # packs into 16 bytes. Short texts are not compressed by Postgres; archived rounds are.

    __tablename__ = "nodes"
    __table_args__ = (
        PrimaryKeyConstraint("search_id", "node_no", "round_id"),
        CheckConstraint("(node_no = 0) = (parent_no IS NULL)", name="only_root_has_no_parent"),
        CheckConstraint("parent_no >= 0 AND parent_no < node_no", name="parent_is_earlier"),
        CheckConstraint("visit_count >= 0", name="visit_count_not_negative"),
        CheckConstraint("abs(prior) <= 1", name="prior_in_range"),
        CheckConstraint("abs(reward) <= 1", name="reward_in_range"),
        CheckConstraint("(terminal_reason IS NULL) = (reward IS NULL)", name="terminal_has_reward"),
        CheckConstraint("outcome = 'ok' OR visit_count = 0", name="failed_is_never_visited"),
        CheckConstraint("kind = 'answer' OR verdict IS NULL", name="only_answers_are_graded"),
        {"postgresql_partition_by": "LIST (round_id)"},
    )

    search_id: Mapped[int] = mapped_column(
        BigInteger,
        primary_key=True,
        autoincrement=False,
        comment="Search; no foreign key, for the speed of COPY",
    )
    value_sum: Mapped[float] = mapped_column(
        comment="Sum of the rewards of those rollouts, and of the prior where there is one"
    )
    q_value: Mapped[float] = mapped_column(
        Computed(Q_VALUE, persisted=True),
        comment="Q = value_sum / visit_count; a prior counts as one visit, so that |Q| <= 1",
    )
    round_id: Mapped[int] = mapped_column(
        primary_key=True, autoincrement=False, comment="Round; key of the partition"
    )
    node_no: Mapped[int] = mapped_column(
        primary_key=True,
        autoincrement=False,
        comment="Number in its search; the root is 0, parents come before children",
    )
    visit_count: Mapped[int] = mapped_column(comment="Rollouts through this node")
    generated_tokens: Mapped[int] = mapped_column(comment="Tokens of its text")
    wall_seconds: Mapped[float] = mapped_column(REAL, comment="Execution time of the step")
    kind: Mapped[StepKind] = mapped_column(
        enumeration(StepKind, "step_kind"), comment="Which part of a solution it holds"
    )
    outcome: Mapped[Outcome] = mapped_column(
        enumeration(Outcome, "outcome"), comment="What became of it"
    )
    parent_no: Mapped[int | None] = mapped_column(comment="Node that it follows; null: the root")
    prior: Mapped[float | None] = mapped_column(REAL, comment="PPM(prefix) when it was made")
    reward: Mapped[float | None] = mapped_column(REAL, comment="+1, -1, or 0 for undecided")
    terminal_reason: Mapped[TerminalReason | None] = mapped_column(
        enumeration(TerminalReason, "terminal_reason"),
        comment="Why rollouts ended here; null: they went on",
    )
    verdict: Mapped[Verdict | None] = mapped_column(
        enumeration(Verdict, "verdict"), comment="Of an answer: how it compares"
    )
    depth: Mapped[int] = mapped_column(SmallInteger, comment="Steps from the root")
    proposals: Mapped[int] = mapped_column(
        SmallInteger, comment="How many candidates of the expansion had this text"
    )
    leads_to_correct: Mapped[bool] = mapped_column(comment="Some rollout through it was correct")
    leads_to_wrong: Mapped[bool] = mapped_column(comment="Some rollout through it was wrong")
    text: Mapped[str] = mapped_column(comment="The step, as the policy wrote it")
    observation: Mapped[str] = mapped_column(comment="What the policy saw of the execution")
    error: Mapped[str | None] = mapped_column(comment="Exception type and message")
