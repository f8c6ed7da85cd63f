"""Problems as they are stored, and what is known of their answers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from db.vocabulary import Split


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
class RunProblemRecord:
    problem_id: int
    split: Split


@dataclass(frozen=True, slots=True)
class UnsolvedAnswer:
    """An answer that the searches of an unsolved problem gave, one row a trajectory."""

    problem_id: int
    question: str
    truth: str
    search_id: int
    text: str
    """The answer step."""
