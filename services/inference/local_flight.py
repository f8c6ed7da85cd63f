"""A prompt on its way through the engine, and the candidates that continue it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from services.inference.local_jobs import Completion, GenerationJob, Job

if TYPE_CHECKING:
    from services.inference.local_sampling import Draw


@dataclass(slots=True, eq=False)
class RunningCandidate:
    """One continuation that is not finished. All its tokens but the last have columns."""

    index: int
    draw: Draw
    tokens: list[int]
    columns: list[int] = field(default_factory=list)


@dataclass(slots=True, eq=False)
class FlyingPrompt:
    """A prompt that has a slot."""

    job: Job
    tokens: list[int]
    keys: list[bytes]
    """Keys of its prefix-cache blocks."""
    computed: int
    """How many of its tokens have their columns filled."""
    width: int
    """Columns in use or once used; those from here on are fresh."""
    candidates: list[RunningCandidate] = field(default_factory=list)
    free: list[int] = field(default_factory=list)
    """Columns of finished candidates."""
    completions: dict[int, Completion] = field(default_factory=dict)

    @property
    def is_computed(self) -> bool:
        return self.computed == len(self.tokens)

    @property
    def rows(self) -> int:
        """Sequences that it has, or will have once its prompt is computed."""
        if self.is_computed:
            return len(self.candidates)
        return self.job.options.count if isinstance(self.job, GenerationJob) else 1

    def take_column(self) -> int:
        """A column for the next token of a candidate."""
        if self.free:
            return self.free.pop()
        self.width += 1
        return self.width - 1
