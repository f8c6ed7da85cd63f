"""The grader of `--grader plain`: numbers by value and texts by their words, without algebra.

It needs no process, so tests of what stands on the grading contract use it too.
"""

from __future__ import annotations

from db.vocabulary import Verdict
from services.grading.answers import accepted, compare
from services.grading.notation import normalise


class PlainGrader:
    """Numbers by value, everything else by its normalised text; never undecided for short text."""

    async def grade(self, answer: str, *, truth: str) -> Verdict:
        """See `services.grading.base.Grader.grade`."""
        verdicts = [compare(answer, one) for one in accepted(truth)]
        if Verdict.EQUAL in verdicts:
            return Verdict.EQUAL
        return Verdict.UNDECIDED if Verdict.UNDECIDED in verdicts else Verdict.DIFFERENT

    async def is_gradable(self, truth: str) -> bool:
        """See `services.grading.base.Grader.is_gradable`."""
        return all(normalise(one) for one in accepted(truth))

    async def close(self) -> None:
        """Nothing to end."""
