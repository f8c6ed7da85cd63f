"""What curation makes of done searches: trajectories, preference pairs, immutable datasets.

Trajectories and pairs carry no foreign keys to rounds and searches: each key looks its row up again
for every row that is mined, two fifths of the time of mining. They are written only by
`db.queries.mining`, from a join with the searches, and `db.queries.integrity` verifies them.
"""

from __future__ import annotations

from sqlalchemy import (
    REAL,
    BigInteger,
    CheckConstraint,
    Computed,
    ForeignKey,
    Identity,
    Index,
    SmallInteger,
    UniqueConstraint,
)
from sqlalchemy.dialects.postgresql import ARRAY, DOUBLE_PRECISION, INTEGER, JSONB
from sqlalchemy.orm import Mapped, mapped_column

from db.models.base import Base, Created, enumeration
from db.vocabulary import DatasetKind, ExclusionRule, PairKind


class Trajectory(Base):
    """A root-to-terminal path whose answer was graded."""

    __tablename__ = "trajectories"
    __table_args__ = (
        UniqueConstraint("search_id", "leaf_no"),
        CheckConstraint("abs(mean_q) <= 1", name="mean_q_in_range"),
        CheckConstraint("cardinality(node_path) = steps + 1", name="path_has_all_steps"),
        Index("ix_trajectories_round_id", "round_id"),
    )

    id: Mapped[int] = mapped_column(BigInteger, Identity(always=True), primary_key=True)
    round_id: Mapped[int] = mapped_column(BigInteger, comment="Key of rounds")
    search_id: Mapped[int] = mapped_column(BigInteger, comment="Key of searches")
    leaf_no: Mapped[int] = mapped_column(comment="node_no of its answer")
    correct: Mapped[bool] = mapped_column(comment="The answer equals the ground truth")
    mean_q: Mapped[float] = mapped_column(comment="Mean Q of its steps, the root left out")
    steps: Mapped[int] = mapped_column(comment="Steps, the answer included")
    rank: Mapped[int] = mapped_column(
        comment="1 is the problem's best in this round, among equally correct ones"
    )
    node_path: Mapped[list[int]] = mapped_column(ARRAY(INTEGER), comment="node_no from the root")


class PreferencePair(Base):
    """Two steps after one prefix, or two whole solutions: the first is preferred."""

    __tablename__ = "preference_pairs"
    __table_args__ = (
        UniqueConstraint("search_id", "kind", "chosen_no", "rejected_no"),
        CheckConstraint("chosen_no <> rejected_no", name="two_nodes"),
        CheckConstraint("chosen_q > rejected_q", name="chosen_is_better"),
        CheckConstraint("(kind = 'step') = (parent_no IS NOT NULL)", name="steps_share_a_prefix"),
        Index("ix_preference_pairs_round_id", "round_id"),
    )

    id: Mapped[int] = mapped_column(BigInteger, Identity(always=True), primary_key=True)
    round_id: Mapped[int] = mapped_column(BigInteger, comment="Key of rounds")
    search_id: Mapped[int] = mapped_column(BigInteger, comment="Key of searches")
    kind: Mapped[PairKind] = mapped_column(
        enumeration(PairKind, "pair_kind"), comment="step or answer"
    )
    parent_no: Mapped[int | None] = mapped_column(comment="Node after which both steps stand")
    chosen_no: Mapped[int] = mapped_column(comment="node_no of the preferred step")
    rejected_no: Mapped[int] = mapped_column(comment="node_no of the other one")
    chosen_q: Mapped[float] = mapped_column(comment="Q of the preferred step")
    rejected_q: Mapped[float] = mapped_column(comment="Q of the other one")
    margin: Mapped[float] = mapped_column(
        Computed("chosen_q - rejected_q", persisted=True), comment="chosen_q - rejected_q"
    )
    chosen_visits: Mapped[int] = mapped_column(comment="Rollouts through the preferred step")
    rejected_visits: Mapped[int] = mapped_column(comment="Rollouts through the other one")


class Dataset(Created, Base):
    """An immutable version: a trigger refuses every UPDATE and DELETE of it and of its items."""

    __tablename__ = "datasets"
    __table_args__ = (
        UniqueConstraint("run_id", "round_number", "kind"),
        CheckConstraint("item_count > 0", name="not_empty"),
        CheckConstraint("name <> ''", name="name_not_empty"),
        CheckConstraint("(name IS NULL) <> (round_number IS NULL)", name="named_or_of_a_round"),
    )

    id: Mapped[int] = mapped_column(BigInteger, Identity(always=True), primary_key=True)
    run_id: Mapped[int] = mapped_column(ForeignKey("runs.id"))
    name: Mapped[str | None] = mapped_column(
        unique=True, comment="Name that a user gave; null: the curate stage made it"
    )
    round_number: Mapped[int | None] = mapped_column(
        comment="Round whose curate stage made it, 0 the bootstrap; null: a named version"
    )
    kind: Mapped[DatasetKind] = mapped_column(
        enumeration(DatasetKind, "dataset_kind"), comment="sft, preference or stepwise"
    )
    spec: Mapped[dict[str, object]] = mapped_column(JSONB, comment="How the items were chosen")
    manifest: Mapped[dict[str, object]] = mapped_column(
        JSONB,
        server_default="{}",
        comment="What it was made from, and how many candidates each rule left out",
    )
    item_count: Mapped[int] = mapped_column(comment="Items of the version")
    content_hash: Mapped[bytes] = mapped_column(comment="sha256 over the items, in order")


class DatasetItem(Base):
    """One training example. `rejected` is set for preference datasets only.

    An item carries the labels that it was chosen by, so that a version stays what it is when labels
    are made anew or the nodes of its rounds are archived.
    """

    __tablename__ = "dataset_items"
    __table_args__ = (
        CheckConstraint("weight > 0 AND weight <= 1", name="weight_is_a_share"),
        CheckConstraint("margin > 0 AND margin <= 2", name="margin_in_range"),
        CheckConstraint("solve_rate BETWEEN 0 AND 1", name="solve_rate_is_a_share"),
        CheckConstraint(
            "cardinality(step_lengths) = cardinality(step_q)", name="each_step_has_its_q"
        ),
        Index("ix_dataset_items_trajectory_id", "trajectory_id"),
    )

    dataset_id: Mapped[int] = mapped_column(ForeignKey("datasets.id"), primary_key=True)
    position: Mapped[int] = mapped_column(primary_key=True, comment="Place in the version")
    problem_id: Mapped[int] = mapped_column(ForeignKey("problems.id"))
    group_key: Mapped[str] = mapped_column(
        comment="Pairs of one step share it; else the item's own"
    )
    prompt: Mapped[str] = mapped_column(comment="What the model reads")
    chosen: Mapped[str] = mapped_column(comment="The completion, or the preferred one")
    rejected: Mapped[str | None] = mapped_column(comment="The other completion")
    trajectory_id: Mapped[int | None] = mapped_column(ForeignKey("trajectories.id"))
    pair_id: Mapped[int | None] = mapped_column(ForeignKey("preference_pairs.id"), index=True)
    depth: Mapped[int | None] = mapped_column(
        SmallInteger, comment="Steps of the solution; of a pair, the depth of its steps"
    )
    correct: Mapped[bool | None] = mapped_column(
        comment="Whether the solution's answer is right; null for a pair"
    )
    q_value: Mapped[float | None] = mapped_column(
        comment="Mean Q of the solution's steps; of a pair, Q of the preferred step"
    )
    margin: Mapped[float | None] = mapped_column(comment="Of a pair: chosen_q - rejected_q")
    weight: Mapped[float] = mapped_column(
        server_default="1", comment="How much a trainer may count it, above 0 to 1"
    )
    solve_rate: Mapped[float | None] = mapped_column(
        REAL, comment="Share of the problem's rollouts that were correct, over the rounds pooled"
    )
    step_lengths: Mapped[list[int] | None] = mapped_column(
        ARRAY(INTEGER), comment="Characters of each step of a solution, in order"
    )
    step_q: Mapped[list[float] | None] = mapped_column(
        ARRAY(DOUBLE_PRECISION), comment="Q of each step of a solution, in order"
    )


class DatasetExclusion(Base):
    """A problem that was left out of a named version as a duplicate or as contaminated."""

    __tablename__ = "dataset_exclusions"
    __table_args__ = (
        CheckConstraint("score > 0 AND score <= 1", name="score_is_a_share"),
        CheckConstraint(
            "(rule = 'near_duplicate') = (duplicate_of IS NOT NULL)",
            name="duplicate_names_the_kept_one",
        ),
        CheckConstraint(
            "(benchmark IS NULL) = (rule = 'near_duplicate') "
            "AND (benchmark IS NULL) = (benchmark_item IS NULL)",
            name="contamination_names_the_benchmark",
        ),
    )

    dataset_id: Mapped[int] = mapped_column(ForeignKey("datasets.id"), primary_key=True)
    problem_id: Mapped[int] = mapped_column(ForeignKey("problems.id"), primary_key=True)
    rule: Mapped[ExclusionRule] = mapped_column(
        enumeration(ExclusionRule, "exclusion_rule"), comment="Which rule left it out"
    )
    score: Mapped[float] = mapped_column(
        comment="near_duplicate, minhash: Jaccard similarity; ngram: share of the benchmark item's"
        " n-grams that the problem holds"
    )
    duplicate_of: Mapped[int | None] = mapped_column(
        ForeignKey("problems.id"), comment="The problem that was kept instead"
    )
    benchmark: Mapped[str | None] = mapped_column(comment="Name of the benchmark")
    benchmark_item: Mapped[str | None] = mapped_column(comment="Id of the item in it")
    evidence: Mapped[str] = mapped_column(comment="What both texts say")
