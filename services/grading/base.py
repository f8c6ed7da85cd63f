"""The grading contract: a verdict on an answer, or an infrastructure error; never a silent zero."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from db.vocabulary import Verdict


class Grader(Protocol):
    """Compares answers with ground truths. Answers are hostile text."""

    async def grade(self, answer: str, *, truth: str) -> Verdict:
        """Compare one answer with its ground truth.

        A comparison that hangs, exhausts memory or cannot read the answer is `undecided`.

        Raises:
            GraderUnavailable: the grader itself could not run.
        """
        ...

    async def is_gradable(self, truth: str) -> bool:
        """Whether a ground truth can be read at all (it is then equal to itself)."""
        ...

    async def close(self) -> None:
        """End the grader's processes. Never raises."""
        ...
