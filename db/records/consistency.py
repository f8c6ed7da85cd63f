"""Trajectories without a ground truth, and the checks of their answers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from db.records.leases import WorkCounts

if TYPE_CHECKING:
    from db.vocabulary import Verdict


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
class ConsistencyProgress(WorkCounts):
    """How far the candidates of a round are judged."""

    mutual: int


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
