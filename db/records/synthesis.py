"""Problems that a model wrote."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from db.vocabulary import DraftStatus


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
