"""Trained models and what was measured of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from db.vocabulary import CheckpointKind, Verdict


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
class EvaluationRow:
    """What was measured of the checkpoint that a round trained; round 0 is the bootstrap."""

    round_number: int
    benchmark: str
    metric: str
    correct: int
    total: int
