"""What a search claims, writes and is planned by."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from db.records.leases import WorkCounts

if TYPE_CHECKING:
    from db.records.leases import Key
    from db.vocabulary import Outcome, StepKind, TerminalReason, Verdict


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

    @property
    def key(self) -> Key:
        """The search alone."""
        return (self.search_id,)


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
class SearchProgress(WorkCounts):
    """How far the searches of a round are."""

    solved: int
    nodes: int
    tokens: int
