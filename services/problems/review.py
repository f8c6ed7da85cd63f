"""The label-error queue: unsolved problems whose wrong answers agree strongly.

Searches that fail independently disagree; where most of their trajectories come to one answer, the
ground truth is the likelier error (rStar-Math section 3.4 found 19 of 20 sampled unsolved problems
to be mislabelled).
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from itertools import groupby
from typing import TYPE_CHECKING

from db.vocabulary import Verdict
from services.steps import boxed

if TYPE_CHECKING:
    from collections.abc import Sequence

    from db.records.problems import UnsolvedAnswer
    from services.grading.base import Grader

MOST_WORDINGS = 40
"""Of one problem's different wordings so many, the most frequent ones, are compared with each
other; a rarer one agrees with nobody. It keeps a problem at under a thousand comparisons."""


@dataclass(frozen=True, slots=True)
class Suspicion:
    """An unsolved problem and the answer that its searches agree on."""

    problem_id: int
    question: str
    truth: str
    answer: str
    """In its most frequent wording."""
    agreeing: int
    """Trajectories that came to it."""
    trajectories: int
    """Trajectories that came to any answer."""
    search_ids: tuple[int, ...]
    """Searches that came to it."""

    @property
    def share(self) -> float:
        """Of the trajectories with an answer, in (0, 1]."""
        return self.agreeing / self.trajectories


async def suspicions(
    answers: Sequence[UnsolvedAnswer], grader: Grader, *, min_share: float, min_agreeing: int
) -> list[Suspicion]:
    """The problems whose answers agree enough, the strongest agreement first.

    Raises:
        GraderUnavailable: the grader could not run.
    """
    found = []
    for _, group in groupby(answers, key=lambda answer: answer.problem_id):
        suspicion = await _of_problem(list(group), grader)
        if suspicion.agreeing >= min_agreeing and suspicion.share >= min_share:
            found.append(suspicion)
    return sorted(found, key=lambda it: (-it.share, -it.agreeing, it.problem_id))


async def _of_problem(answers: Sequence[UnsolvedAnswer], grader: Grader) -> Suspicion:
    wordings = Counter(boxed(answer.text) for answer in answers)
    classes = await equivalence_classes([text for text, _ in wordings.most_common()], grader)
    largest = max(classes, key=lambda group: sum(wordings[text] for text in group))
    agreeing = [answer for answer in answers if boxed(answer.text) in largest]
    return Suspicion(
        problem_id=answers[0].problem_id,
        question=answers[0].question,
        truth=answers[0].truth,
        answer=largest[0],
        agreeing=len(agreeing),
        trajectories=len(answers),
        search_ids=tuple(sorted({answer.search_id for answer in agreeing})),
    )


async def equivalence_classes(texts: Sequence[str], grader: Grader) -> list[list[str]]:
    """The texts, the most frequent first, grouped by the grader's equality with a class's first."""
    classes: list[list[str]] = []
    for place, text in enumerate(texts):
        for group in classes if place < MOST_WORDINGS else ():
            if await grader.grade(text, truth=group[0]) is Verdict.EQUAL:
                group.append(text)
                break
        else:
            classes.append([text])
    return classes
