"""Which examples a dataset version holds, as data: a TOML file, stored whole with the version.

The curate stage makes its specs from the round's profile; a named version brings its own. Both are
read by the same code, so a profile's version can be made again, changed by one line, beside it.
"""

from __future__ import annotations

from enum import StrEnum
from itertools import pairwise
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from db.vocabulary import DatasetKind, PairKind
from services.config import REPOSITORY
from services.frozen import Frozen, Positive, Share, load_toml
from services.profiles import Pool, PpmProfile, SftProfile

SPECS = REPOSITORY / "deploy" / "curation"
Q = Annotated[float, Field(ge=-1, le=1)]


class Distinct(StrEnum):
    """Which of two equal examples of one problem are taken once."""

    TEXT = "text"  # the same text
    CODE = "code"  # programs that differ in names, comments and layout alone
    OUTPUTS = "outputs"  # programs that print the same, step by step


class Weighting(StrEnum):
    """What the weight of a pair says; every part lies above 0 and at most at 1."""

    UNIFORM = "uniform"  # 1
    MARGIN = "margin"  # margin / 2
    VISITS = "visits"  # n / (n + 1), n the visits of the less visited of the two steps
    MARGIN_AND_VISITS = "margin_and_visits"  # the product of both


class Template(StrEnum):
    """What makes two problems instances of one template."""

    SOURCE = "source"  # they were imported from the same source
    NUMBERS = "numbers"  # their questions differ in numbers alone


class Verdicts(StrEnum):
    """Which solutions are taken, by their answers."""

    CORRECT = "correct"
    BOTH = "both"


class TrajectoryRules(Frozen):
    """Of solutions: the best of each problem (rStar-Math section 3.4 takes 2)."""

    a_problem: Positive = 2
    """At most so many a problem, round and verdict, those of the highest mean Q (of wrong ones, of
    the lowest) first."""
    verdicts: Verdicts = Verdicts.CORRECT
    min_mean_q: Q = -1
    min_visits: Positive = 1
    """Rollouts that ended in the answer."""
    max_steps: Positive | None = None


class PairRules(Frozen):
    """Of preference pairs."""

    kinds: tuple[PairKind, ...] = (PairKind.STEP, PairKind.ANSWER)
    min_margin: Annotated[float, Field(ge=0, le=2)] = 0.0
    """chosen Q less rejected Q."""
    min_visits: Positive = 1
    """Rollouts through the less visited of the two."""
    min_edit_distance: Annotated[int, Field(ge=0)] = 0
    """Characters to insert, delete or replace between the two texts (Levenshtein)."""
    a_problem: Positive | None = None
    weighting: Weighting = Weighting.UNIFORM


class TextRules(Frozen):
    """Of every example's texts."""

    distinct: Distinct = Distinct.TEXT
    min_characters: Annotated[int, Field(ge=0)] = 0
    max_characters: Positive | None = None
    """Of prompt and the longer completion together."""


class Balance(Frozen):
    """Difficulty balance: bands of the solve rate with at most so many examples each."""

    edges: tuple[Share, ...] = (0.25, 0.5, 0.75)
    """Between the bands: below the first edge, from each edge to the next, from the last on."""
    a_band: Positive | None = None
    even: bool = False
    """Cut every band to the size of the smallest that is not empty."""

    @model_validator(mode="after")
    def _edges_ascend(self) -> Self:
        if any(left >= right for left, right in pairwise(self.edges)):
            raise ValueError("edges must ascend")
        return self


class ProblemRules(Frozen):
    """Of the problems that examples are about."""

    min_solve_rate: Share = 0.0
    """Share of the problem's rollouts, over the rounds pooled, that were correct."""
    max_solve_rate: Share = 1.0
    balance: Balance | None = None
    template: Template = Template.SOURCE
    a_template: Positive | None = None
    """At most so many examples a template."""
    near_duplicates: Annotated[float, Field(gt=0, le=1)] | None = None
    """Of two questions with at least this Jaccard similarity the later is left out."""


class Decontamination(Frozen):
    """Problems that a benchmark gives away are left out."""

    against: tuple[str, ...] = ()
    """Problem sources, as `stepforge problems import` takes them; more by --decontaminate."""
    ngram: Positive = 13
    """Words in a row; of a shorter benchmark item, all of its words."""
    shortest: Positive = 5
    """An item of fewer words must be equal to be found."""
    similarity: Annotated[float, Field(gt=0, le=1)] = 0.8
    """Jaccard similarity of word 3-grams from which a problem is a benchmark's (MinHash)."""


class CurationSpec(Frozen):
    """What a dataset version is made by."""

    description: str = ""
    kind: DatasetKind
    rounds: Literal["all", "newest"] | tuple[Positive, ...] = "all"
    bootstrap: bool = False
    """Whether the items of the run's bootstrap set follow those of the rounds (sft alone)."""
    consistent: bool = False
    """Whether the mutually consistent solutions of problems without a ground truth follow those of
    the rounds (sft alone)."""
    max_items: Positive | None = None
    trajectories: TrajectoryRules = TrajectoryRules()
    pairs: PairRules = PairRules()
    texts: TextRules = TextRules()
    problems: ProblemRules = ProblemRules()
    decontamination: Decontamination = Decontamination()

    @model_validator(mode="after")
    def _fits_its_kind(self) -> Self:
        if self.kind is not DatasetKind.SFT and (self.bootstrap or self.consistent):
            raise ValueError(
                "bootstrap and consistent solutions have no labels of their steps: kind must be "
                "'sft'"
            )
        if self.kind is DatasetKind.SFT and self.trajectories.verdicts is not Verdicts.CORRECT:
            raise ValueError("a policy learns correct solutions alone: verdicts must be 'correct'")
        return self


def sft_spec(profile: SftProfile, round_number: int) -> CurationSpec:
    """What the curate stage trains the policy of a round on."""
    earlier = range(1, round_number) if Pool.EARLIER_ROUNDS in profile.pool else ()
    this = (round_number,) if Pool.THIS_ROUND in profile.pool else ()
    return CurationSpec(
        kind=DatasetKind.SFT,
        rounds=(*earlier, *this),
        bootstrap=Pool.BOOTSTRAP in profile.pool,
        consistent=Pool.CONSISTENT in profile.pool,
        max_items=profile.max_examples,
        trajectories=TrajectoryRules(a_problem=profile.trajectories_per_problem),
    )


def preference_spec(profile: PpmProfile, round_number: int) -> CurationSpec:
    """What the curate stage trains the PPM of a round on."""
    return CurationSpec(
        kind=DatasetKind.PREFERENCE, rounds=(round_number,), max_items=profile.max_pairs
    )


def load_spec(name: str) -> CurationSpec:
    """Read a spec of `deploy/curation` by its name, or any by its path.

    Raises:
        ConfigurationError: there is none, or it is wrong; says where.
    """
    return load_toml(CurationSpec, name, folder=SPECS, what="curation spec")
