"""What travels between curation and the database about dataset versions: frozen and typed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from db.records.searches import NodeRecord
    from db.vocabulary import DatasetKind, ExclusionRule, PairKind


@dataclass(frozen=True, slots=True)
class DatasetItemRecord:
    """One training example of a dataset version; `rejected` only for preference pairs."""

    problem_id: int
    group_key: str
    prompt: str
    chosen: str
    rejected: str | None = None
    trajectory_id: int | None = None
    pair_id: int | None = None
    depth: int | None = None
    """Steps of the solution; of a pair, the depth of its steps."""
    correct: bool | None = None
    q_value: float | None = None
    """Mean Q of the solution's steps; of a pair, Q of the preferred step."""
    margin: float | None = None
    weight: float = 1.0
    solve_rate: float | None = None
    step_lengths: tuple[int, ...] | None = None
    """Characters of each step of a solution; they add up to `chosen`."""
    step_q: tuple[float, ...] | None = None


@dataclass(frozen=True, slots=True)
class DatasetRow:
    id: int
    item_count: int
    content_hash: bytes


@dataclass(frozen=True, slots=True)
class TrajectoryFilter:
    """What a trajectory must be to be a candidate; see `services.curation.spec` for the words."""

    both_verdicts: bool
    min_mean_q: float
    min_visits: int
    max_steps: int | None
    min_solve_rate: float
    max_solve_rate: float


@dataclass(frozen=True, slots=True)
class PairFilter:
    """What a pair must be to be a candidate."""

    kinds: tuple[PairKind, ...]
    min_margin: float
    min_visits: int
    min_solve_rate: float
    max_solve_rate: float


@dataclass(frozen=True, slots=True)
class TrajectoryCandidate:
    trajectory_id: int
    round_id: int
    search_id: int
    leaf_no: int
    problem_id: int
    correct: bool
    mean_q: float
    steps: int
    solve_rate: float | None


@dataclass(frozen=True, slots=True)
class PairCandidate:
    pair_id: int
    round_id: int
    search_id: int
    kind: PairKind
    parent_no: int | None
    chosen_no: int
    rejected_no: int
    problem_id: int
    chosen_q: float
    margin: float
    chosen_visits: int
    rejected_visits: int
    depth: int
    solve_rate: float | None


@dataclass(frozen=True, slots=True)
class ProblemText:
    """A problem as curation looks at it."""

    problem_id: int
    source: str
    question: str


@dataclass(frozen=True, slots=True)
class ExclusionRecord:
    """A problem that is left out of a version, and why; see `db.models.DatasetExclusion`."""

    problem_id: int
    rule: ExclusionRule
    score: float
    evidence: str
    duplicate_of: int | None = None
    benchmark: str | None = None
    benchmark_item: str | None = None


@dataclass(frozen=True, slots=True)
class RoundLineage:
    """A round whose labels a version rests on; None where no checkpoint searched."""

    round_id: int
    number: int
    policy: str | None
    policy_hash: str | None
    ppm: str | None
    ppm_hash: str | None


@dataclass(frozen=True, slots=True)
class DatasetDescription:
    """A version without its items. `name` is None for those of a curate stage."""

    id: int
    name: str | None
    run_name: str
    round_number: int | None
    kind: DatasetKind
    item_count: int
    content_hash: bytes
    created_at: datetime
    spec: Mapping[str, object]
    manifest: Mapping[str, object]

    @property
    def title(self) -> str:
        """Its name, or what stands for one: `RUN/ROUND/KIND`."""
        return self.name or f"{self.run_name}/{self.round_number}/{self.kind.value}"


@dataclass(frozen=True, slots=True)
class StoredTree:
    """A done search with its problem and every node of its tree."""

    search_id: int
    run_name: str
    round_number: int
    seed: int
    problem_id: int
    source: str
    question: str
    answer: str | None
    solved: bool
    rollouts: int
    sandbox: str | None
    nodes: tuple[NodeRecord, ...] = ()


@dataclass(frozen=True, slots=True)
class Count:
    """How many items of a version fall under a heading of its datasheet."""

    label: str
    items: int


@dataclass(frozen=True, slots=True)
class VersionDifference:
    """What two versions have in common, by the texts of their items."""

    only_first: int
    only_second: int
    common: int
    problems_only_first: int
    problems_only_second: int
    examples_first: tuple[str, ...]
    examples_second: tuple[str, ...]
