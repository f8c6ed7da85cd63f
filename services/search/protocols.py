"""What a search needs from the world. Whatever keeps these contracts can be searched with.

An implementation raises `InfrastructureError` when it fails itself; the search then stops without
a label for whatever it was doing. A model raises `PromptTooLong` when its context does not hold
what it is asked about; that ends the path, and the search goes on.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Sequence

    from db.vocabulary import Outcome, Verdict
    from services.profiles import SearchProfile
    from services.steps import Candidate


class Policy(Protocol):
    """Proposes next steps."""

    async def propose(
        self, prompt: str, *, count: int, seed: int, affinity: int
    ) -> list[Candidate]:
        """`count` candidates for the step after `prompt`.

        The same prompt and seed give the same candidates, as far as the engine can. Requests of
        one search share their `affinity`, so that one replica's prefix cache serves them all.
        """
        ...


class ValueModel(Protocol):
    """Scores prefixes of solutions; the PPM."""

    async def score(self, prompts: Sequence[str]) -> list[float]:
        """One score in [-1, 1] for each prompt."""
        ...


class Executed(Protocol):
    """What one run of one step did."""

    @property
    def outcome(self) -> Outcome: ...
    @property
    def observation(self) -> str: ...
    @property
    def exception_type(self) -> str: ...
    @property
    def exception_message(self) -> str: ...
    @property
    def wall_seconds(self) -> float: ...


class StepExecutor(Protocol):
    """Runs a step in a copy of the state that its parent step left behind."""

    async def execute(self, code: str, *, parent: int) -> tuple[int, Executed]:
        """The id of the state after the step, and what happened. State 0 is before any step."""
        ...


class Grader(Protocol):
    """Compares answers with the ground truth."""

    async def grade(self, answer: str, *, truth: str) -> Verdict:
        """The verdict on one answer."""
        ...


@dataclass(frozen=True, slots=True)
class Collaborators:
    """Whom a search asks. Without a value model the annotation is terminal-guided."""

    policy: Policy
    executor: StepExecutor
    grader: Grader
    value: ValueModel | None = None


@dataclass(frozen=True, slots=True)
class Assignment:
    """What is to be searched, and how."""

    profile: SearchProfile
    seed: int
    truth: str | None
    """The ground-truth answer. In data generation rewards are always its own, never the PPM's
    (rStar-Math section 3.3). None where there is none: answers are then weighed by their agreement
    (`services.search.agreement`)."""
    affinity: int
    """The same for all requests of one search."""
