"""What is counted of a round when it is curated: questions about it need not read its nodes.

Every row is a function of the nodes, trajectories and pairs of the round's done searches;
`db.queries.statistics` counts all of a round's rows anew in one transaction. They stay when the
nodes of an old round are archived.
"""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import REAL, BigInteger, ForeignKey, Index, SmallInteger, text
from sqlalchemy.orm import Mapped, mapped_column

from db.models.base import Base, enumeration
from db.vocabulary import Outcome, PairKind, StepKind

BINS = 40
"""Bins of Q and of the prior over [-1, 1]; the last one holds 1 too."""


class RoundStatistics(Base):
    """Totals of a round over its done searches."""

    __tablename__ = "round_statistics"

    round_id: Mapped[int] = mapped_column(
        ForeignKey("rounds.id"), primary_key=True, comment="Round"
    )
    refreshed_at: Mapped[datetime] = mapped_column(comment="When the round was counted")
    searches: Mapped[int] = mapped_column(comment="Done searches")
    problems: Mapped[int] = mapped_column(comment="Problems that they searched")
    solved_problems: Mapped[int] = mapped_column(comment="Problems of them that a rollout solved")
    nodes: Mapped[int] = mapped_column(BigInteger, comment="Nodes of their trees")
    rollouts: Mapped[int] = mapped_column(BigInteger, comment="Rollouts that they ran")
    generated_tokens: Mapped[int] = mapped_column(BigInteger, comment="Tokens of the policy")
    wasted_tokens: Mapped[int] = mapped_column(
        BigInteger, comment="Tokens of steps through which no rollout went"
    )
    search_seconds: Mapped[float] = mapped_column(comment="Wall time of the searches, added up")
    sandbox_seconds: Mapped[float] = mapped_column(comment="Execution time of steps, added up")
    trajectories: Mapped[int] = mapped_column(BigInteger, comment="Graded trajectories")
    correct_trajectories: Mapped[int] = mapped_column(BigInteger, comment="Correct ones of them")
    pairs: Mapped[int] = mapped_column(BigInteger, comment="Preference pairs")


class ProblemStatistics(Base):
    """How a problem fared in a round, over its done searches."""

    __tablename__ = "problem_statistics"

    round_id: Mapped[int] = mapped_column(
        ForeignKey("rounds.id"), primary_key=True, comment="Round"
    )
    problem_id: Mapped[int] = mapped_column(
        ForeignKey("problems.id"), primary_key=True, comment="Problem"
    )
    searches: Mapped[int] = mapped_column(comment="Done searches")
    solved_searches: Mapped[int] = mapped_column(comment="Those that found a correct answer")
    rollouts: Mapped[int] = mapped_column(comment="Rollouts that they ran")
    correct_rollouts: Mapped[int] = mapped_column(comment="Rollouts that ended correct")
    generated_tokens: Mapped[int] = mapped_column(BigInteger, comment="Tokens of the policy")
    top_wrong_answer: Mapped[str | None] = mapped_column(
        comment="The text most often in the box of a wrong answer"
    )
    top_wrong_rollouts: Mapped[int] = mapped_column(comment="Rollouts that ended in exactly it")


class SourceStatistics(Base):
    """How the problems of a source fared in a round."""

    __tablename__ = "source_statistics"

    round_id: Mapped[int] = mapped_column(
        ForeignKey("rounds.id"), primary_key=True, comment="Round"
    )
    source: Mapped[str] = mapped_column(primary_key=True, comment="Source of the problems")
    problems: Mapped[int] = mapped_column(comment="Problems that done searches searched")
    solved_problems: Mapped[int] = mapped_column(comment="Problems of them that a rollout solved")
    rollouts: Mapped[int] = mapped_column(BigInteger, comment="Rollouts that they ran")
    correct_rollouts: Mapped[int] = mapped_column(BigInteger, comment="Rollouts that ended correct")
    generated_tokens: Mapped[int] = mapped_column(BigInteger, comment="Tokens of the policy")


class SearchStatistics(Base):
    """What is counted of the tree of a done search."""

    # The questions are about the searches of a round that are at the top of something.
    __tablename__ = "search_statistics"
    __table_args__ = (
        Index(
            "ix_search_statistics_wasted_tokens",
            "round_id",
            text("wasted_tokens DESC"),
            "search_id",
        ),
        Index(
            "ix_search_statistics_slowest_seconds",
            "round_id",
            text("slowest_seconds DESC"),
            "search_id",
        ),
        Index(
            "ix_search_statistics_disagreeing_answers",
            "round_id",
            text("disagreeing_answers DESC"),
            "search_id",
        ),
    )

    search_id: Mapped[int] = mapped_column(
        ForeignKey("searches.id"), primary_key=True, comment="Search"
    )
    round_id: Mapped[int] = mapped_column(ForeignKey("rounds.id"), comment="Round")
    correct_rollouts: Mapped[int] = mapped_column(comment="Rollouts that ended correct")
    failed_steps: Mapped[int] = mapped_column(comment="Steps that did not run to their end")
    duplicate_candidates: Mapped[int] = mapped_column(
        comment="Candidates whose text another one of the same expansion had"
    )
    wasted_tokens: Mapped[int] = mapped_column(
        BigInteger, comment="Tokens of steps through which no rollout went"
    )
    sandbox_seconds: Mapped[float] = mapped_column(comment="Execution time of its steps, added up")
    slowest_node_no: Mapped[int | None] = mapped_column(comment="Step that ran longest")
    slowest_seconds: Mapped[float | None] = mapped_column(REAL, comment="How long it ran")
    dead_end_node_no: Mapped[int | None] = mapped_column(
        comment="Deepest node at which a rollout ended without an answer"
    )
    dead_end_depth: Mapped[int | None] = mapped_column(SmallInteger, comment="Its depth")
    disagreeing_answers: Mapped[int] = mapped_column(
        comment="Answers of rollouts whose box does not hold what the final code printed last"
    )
    disagreeing_node_no: Mapped[int | None] = mapped_column(comment="The first of them")


class StepStatistics(Base):
    """Steps of a round by what they are and what became of them; roots are left out."""

    __tablename__ = "step_statistics"

    round_id: Mapped[int] = mapped_column(
        ForeignKey("rounds.id"), primary_key=True, comment="Round"
    )
    depth: Mapped[int] = mapped_column(SmallInteger, primary_key=True, comment="Steps from root")
    kind: Mapped[StepKind] = mapped_column(
        enumeration(StepKind, "step_kind"), primary_key=True, comment="Kind of the steps"
    )
    outcome: Mapped[Outcome] = mapped_column(
        enumeration(Outcome, "outcome"), primary_key=True, comment="What became of them"
    )
    error_type: Mapped[str] = mapped_column(
        primary_key=True, comment="Type of the exception; empty where there was none"
    )
    visited: Mapped[bool] = mapped_column(
        primary_key=True, comment="Whether a rollout went through them"
    )
    steps: Mapped[int] = mapped_column(BigInteger, comment="How many steps")
    candidates: Mapped[int] = mapped_column(BigInteger, comment="Candidates that became them")
    generated_tokens: Mapped[int] = mapped_column(BigInteger, comment="Their tokens")
    wall_seconds: Mapped[float] = mapped_column(comment="Their execution time, added up")
    slowest_seconds: Mapped[float] = mapped_column(REAL, comment="Execution time of the slowest")


class QStatistics(Base):
    """Visited steps of a round by depth and Q, roots left out."""

    __tablename__ = "q_statistics"

    round_id: Mapped[int] = mapped_column(
        ForeignKey("rounds.id"), primary_key=True, comment="Round"
    )
    depth: Mapped[int] = mapped_column(SmallInteger, primary_key=True, comment="Steps from root")
    bin: Mapped[int] = mapped_column(SmallInteger, primary_key=True, comment="Bin of Q, 0 to 39")
    steps: Mapped[int] = mapped_column(BigInteger, comment="How many steps")
    correct_rollouts: Mapped[float] = mapped_column(
        comment="Rollouts through them that ended correct; an undecided one counts half"
    )
    wrong_rollouts: Mapped[float] = mapped_column(
        comment="Rollouts through them that ended wrong; an undecided one counts half"
    )


class PriorStatistics(Base):
    """Visited steps of a round by depth and prior; steps without a prior are left out."""

    __tablename__ = "prior_statistics"

    round_id: Mapped[int] = mapped_column(
        ForeignKey("rounds.id"), primary_key=True, comment="Round"
    )
    depth: Mapped[int] = mapped_column(SmallInteger, primary_key=True, comment="Steps from root")
    bin: Mapped[int] = mapped_column(
        SmallInteger, primary_key=True, comment="Bin of the prior, 0 to 39"
    )
    steps: Mapped[int] = mapped_column(BigInteger, comment="How many steps")
    prior_sum: Mapped[float] = mapped_column(comment="Sum of their priors")
    value_sum: Mapped[float] = mapped_column(
        comment="Sum of the mean rewards of their rollouts, the prior left out"
    )
    squared_error_sum: Mapped[float] = mapped_column(comment="Sum of (prior - mean reward) squared")


class PairStatistics(Base):
    """Preference pairs of a round by depth, and the prefixes that could have given some."""

    __tablename__ = "pair_statistics"

    round_id: Mapped[int] = mapped_column(
        ForeignKey("rounds.id"), primary_key=True, comment="Round"
    )
    kind: Mapped[PairKind] = mapped_column(
        enumeration(PairKind, "pair_kind"), primary_key=True, comment="Kind of the pairs"
    )
    depth: Mapped[int] = mapped_column(
        SmallInteger, primary_key=True, comment="Depth of the two steps; 0 for answers"
    )
    prefixes: Mapped[int] = mapped_column(
        BigInteger, comment="Prefixes with a visited step after them; for answers, searches"
    )
    contested_prefixes: Mapped[int] = mapped_column(
        BigInteger, comment="Those with a way to a correct answer and one to a wrong one"
    )
    paired_prefixes: Mapped[int] = mapped_column(BigInteger, comment="Those that gave a pair")
    pairs: Mapped[int] = mapped_column(BigInteger, comment="How many pairs")
    mean_margin: Mapped[float | None] = mapped_column(
        comment="Mean of chosen_q - rejected_q; null where there is no pair"
    )
