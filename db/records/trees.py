"""Finished trees as they are read: their nodes and paths."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from db.vocabulary import Outcome, SearchStatus, StepKind, TerminalReason, Verdict


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
class PathStep:
    """A stored step, with what a prompt needs of it."""

    kind: StepKind
    text: str
    observation: str
    q_value: float = 0.0
