"""Equivalence classes of answers: which of several answers are the same one, and how many agree."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from db.vocabulary import Verdict

if TYPE_CHECKING:
    from collections.abc import Sequence

    from services.grading.base import Grader


@dataclass(frozen=True, slots=True)
class AnswerClass:
    """Answers that are equal to the first of them."""

    answers: tuple[str, ...]

    @property
    def answer(self) -> str:
        """The most frequent wording; of equally frequent ones the first."""
        return max(self.answers, key=self.answers.count)


async def answer_classes(answers: Sequence[str], grader: Grader) -> list[AnswerClass]:
    """The classes of the answers, the largest first; of equal sizes the one met first.

    An answer that the grader cannot compare with any other is a class of its own.

    Raises:
        GraderUnavailable: the grader itself could not run.
    """
    found: list[list[str]] = []
    for answer in answers:
        for members in found:
            if await grader.grade(answer, truth=members[0]) is Verdict.EQUAL:
                members.append(answer)
                break
        else:
            found.append([answer])
    return [AnswerClass(tuple(members)) for members in sorted(found, key=len, reverse=True)]
