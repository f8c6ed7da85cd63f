"""What travels between the services and the database: frozen, typed, without a connection."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from db.vocabulary import (
        CheckpointKind,
        DraftStatus,
        NodesState,
        Outcome,
        PairKind,
        SearchStatus,
        Split,
        StepKind,
        TerminalReason,
        Verdict,
    )


@dataclass(frozen=True, slots=True)
class NewProblem:
    """A problem to be stored. `content_hash` is the sha256 of its normalised question."""

    source: str
    external_id: str
    question: str
    answer: str | None
    solution: str | None
    content_hash: bytes


@dataclass(frozen=True, slots=True)
class ProblemRow:
    id: int
    source: str
    external_id: str
    question: str
    answer: str | None
    solution: str | None


@dataclass(frozen=True, slots=True)
class RunRow:
    id: int
    name: str
    profile: Mapping[str, object]
    base_model: str
    created_at: datetime


@dataclass(frozen=True, slots=True)
class RoundRow:
    id: int
    run_id: int
    number: int
    policy_checkpoint_id: int | None
    ppm_checkpoint_id: int | None
    finished_at: datetime | None


@dataclass(frozen=True, slots=True)
class ClaimedSearch:
    """A search that this worker holds until its lease expires."""

    search_id: int
    round_id: int
    problem_id: int
    seed: int
    tier: int
    lease_token: int
    question: str
    answer: str | None
    """Ground truth; None where it is not known."""
    rollouts: int
    """Rollouts whose outcome is stored already; the search goes on after them."""
    node_count: int
    """Nodes that are stored already."""
    seconds: float
    """Wall time that was spent on it before."""


@dataclass(frozen=True, slots=True)
class NodeRecord:
    """One row of `nodes`, less the keys that all nodes of a search share."""

    node_no: int
    parent_no: int | None
    depth: int
    kind: StepKind
    outcome: Outcome
    terminal_reason: TerminalReason | None
    verdict: Verdict | None
    leads_to_correct: bool
    leads_to_wrong: bool
    visit_count: int
    value_sum: float
    prior: float | None
    reward: float | None
    generated_tokens: int
    proposals: int
    wall_seconds: float
    text: str
    observation: str
    error: str | None


@dataclass(frozen=True, slots=True)
class NodeChange:
    """What became of a node since it was stored."""

    node_no: int
    terminal_reason: TerminalReason | None
    leads_to_correct: bool
    leads_to_wrong: bool
    visit_count: int
    value_sum: float
    reward: float | None


@dataclass(frozen=True, slots=True)
class SearchResult:
    """What a search writes: how far it is, and its tree as far as it is not stored yet."""

    solved: bool
    rollouts: int
    generated_tokens: int
    seconds: float
    """Wall time of the search until now, all workers together."""
    sandbox: str
    nodes: tuple[NodeRecord, ...]
    """Nodes that were not stored before."""
    changes: tuple[NodeChange, ...] = ()
    """Nodes that were."""
    done: bool = True
    """Whether the search is finished; until then nothing of it is a label."""


@dataclass(frozen=True, slots=True)
class Prospect:
    """A problem that could be searched next in a round, and what the run knows of it."""

    problem_id: int
    source: str
    tier: int
    """Tier of the search that would be made."""
    solved: bool
    """Whether a search of the run solved it already."""
    rollouts: int
    """Of its done searches in the run."""
    correct: float
    """Of them; an undecided end counts half."""
    tokens: int


@dataclass(frozen=True, slots=True)
class SearchProgress:
    """How far the searches of a round are."""

    total: int
    done: int
    failed: int
    leased: int
    solved: int
    nodes: int
    tokens: int


@dataclass(frozen=True, slots=True)
class DraftRecord:
    """A problem that a model wrote, and what became of it; `DUPLICATE` until it was solved."""

    run_id: int
    batch_seed: int
    draft_no: int
    status: DraftStatus
    seed_problem_ids: tuple[int, ...]
    writer: str
    prompt_version: str
    sampling_seed: int
    question: str | None
    solver: str | None = None
    solutions: int = 0
    agreeing: int = 0
    answer: str | None = None

    def solved(
        self, status: DraftStatus, *, solver: str, solutions: int, agreeing: int, answer: str | None
    ) -> DraftRecord:
        """The same draft after its solutions were compared."""
        return dataclasses.replace(
            self,
            status=status,
            solver=solver,
            solutions=solutions,
            agreeing=agreeing,
            answer=answer,
        )


@dataclass(frozen=True, slots=True)
class DraftCount:
    status: DraftStatus
    drafts: int


@dataclass(frozen=True, slots=True)
class DroppedDraft:
    """A synthetic problem that is searched no more."""

    problem_id: int
    correct_share: float


@dataclass(frozen=True, slots=True)
class ClaimedCandidate:
    """A trajectory without a ground truth that this worker checks until its lease expires."""

    search_id: int
    leaf_no: int
    round_id: int
    lease_token: int
    search_seed: int
    question: str

    @property
    def key(self) -> tuple[int, int]:
        """Search and answer node."""
        return self.search_id, self.leaf_no


@dataclass(frozen=True, slots=True)
class CheckRecord:
    """One completion of a trajectory's prefix; no verdict where it came to no answer."""

    discriminator: str
    seed: int
    prefix_share: float
    prefix_steps: int
    of_steps: int
    completion: str
    answer: str | None
    verdict: Verdict | None
    generated_tokens: int


@dataclass(frozen=True, slots=True)
class ConsistencyProgress:
    """How far the candidates of a round are judged."""

    total: int
    done: int
    failed: int
    leased: int
    mutual: int
    last_error: str | None


@dataclass(frozen=True, slots=True)
class MutualTrajectory:
    """A trajectory with whose answer the discriminator agreed."""

    round_id: int
    search_id: int
    problem_id: int
    question: str
    leaf_no: int
    text: str
    """Of its answer step."""
    confidence: float
    agreement: float
    score: float


@dataclass(frozen=True, slots=True)
class TreeSummary:
    search_id: int
    round_id: int
    round_number: int
    run_name: str
    question: str
    answer: str | None
    status: SearchStatus
    solved: bool | None
    rollouts: int
    node_count: int


@dataclass(frozen=True, slots=True)
class TreeNode:
    """A stored node, as the tree view shows it."""

    node_no: int
    parent_no: int | None
    depth: int
    kind: StepKind
    outcome: Outcome
    terminal_reason: TerminalReason | None
    verdict: Verdict | None
    visit_count: int
    q_value: float
    prior: float | None
    proposals: int
    text: str
    observation: str
    error: str | None


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
class CheckpointRow:
    id: int
    kind: CheckpointKind
    round_number: int
    path: str
    content_hash: str
    metrics: Mapping[str, object]


@dataclass(frozen=True, slots=True)
class AnswerRecord:
    """What a checkpoint answered to one problem of a benchmark."""

    problem_id: int
    verdict: Verdict | None
    completion: str


@dataclass(frozen=True, slots=True)
class RunProblemRecord:
    problem_id: int
    split: Split


@dataclass(frozen=True, slots=True)
class PairPick:
    """A stored preference pair."""

    pair_id: int
    kind: PairKind
    search_id: int
    parent_no: int | None
    chosen_no: int
    rejected_no: int
    problem_id: int
    question: str


@dataclass(frozen=True, slots=True)
class PathStep:
    """A stored step, with what a prompt needs of it."""

    kind: StepKind
    text: str
    observation: str
    q_value: float = 0.0


@dataclass(frozen=True, slots=True)
class RoundReport:
    """One row of the table that ends a run. Round 0 is the bootstrap."""

    round_number: int
    problems: int
    solved: int
    newly_solved: int
    """Problems that no earlier round of the run had solved."""
    searches: int
    nodes: int
    trajectories: int
    correct_trajectories: int
    pairs: int
    tokens: int


@dataclass(frozen=True, slots=True)
class TierReport:
    """What the searches of one tier did in a round; tier 0 is every problem's first."""

    round_number: int
    tier: int
    searches: int
    solved: int
    rollouts: int
    tokens: int


@dataclass(frozen=True, slots=True)
class StageTime:
    round_number: int
    name: str
    seconds: float


@dataclass(frozen=True, slots=True)
class EvaluationRow:
    """What was measured of the checkpoint that a round trained; round 0 is the bootstrap."""

    round_number: int
    benchmark: str
    metric: str
    correct: int
    total: int


@dataclass(frozen=True, slots=True)
class UnsolvedAnswer:
    """An answer that the searches of an unsolved problem gave, one row a trajectory."""

    problem_id: int
    question: str
    truth: str
    search_id: int
    text: str
    """The answer step."""


@dataclass(frozen=True, slots=True)
class LabellingChange:
    """How a labelling differs from the labels that its trees had first."""

    searches: int
    left_out: int
    """Searches that could not be labelled so."""
    rollouts_before: int
    rollouts: int
    labels: int
    """Nodes with visits, under either labelling."""
    labels_changed: int
    """Of them, those with another Q or other visits."""
    verdicts_changed: int
    newly_solved: int
    """Searches that are solved now and were not."""
    no_longer_solved: int
    pairs_kept: int
    pairs_gained: int
    pairs_lost: int


@dataclass(frozen=True, slots=True)
class RoundNodes:
    """A round, and where its nodes are."""

    round_id: int
    run: str
    number: int
    finished: bool
    state: NodesState
    nodes: int
    stored_bytes: int
    """Of the table with its indexes, or of the file."""
    path: str | None


@dataclass(frozen=True, slots=True)
class ArchiveRow:
    """The file that holds the nodes of an archived round."""

    round_id: int
    path: str
    node_count: int
    file_bytes: int
    sha256: bytes


@dataclass(frozen=True, slots=True)
class Violation:
    """A rule of the data that does not hold."""

    rule: str
    count: int
    example: str


@dataclass(frozen=True, slots=True)
class ViewColumn:
    """A column of a view: its type as Postgres names it, and its comment."""

    name: str
    type: str
    comment: str


@dataclass(frozen=True, slots=True)
class ViewDescription:
    """A view of the schema `v1`, as its comments explain it."""

    name: str
    comment: str
    columns: tuple[ViewColumn, ...]
