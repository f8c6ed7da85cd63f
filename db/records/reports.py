"""What a run made, round by round."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from db.vocabulary import StageName


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
    name: StageName
    seconds: float
