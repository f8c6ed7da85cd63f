"""The grader on real answers: each against itself, and against the next one that is different."""

from __future__ import annotations

import asyncio
import itertools
import json
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import reasoning_gym

from db.vocabulary import Verdict
from services.grading.process import ProcessGrader
from tests.unit.grading.pairs import DIFFERENT, ENDLESS, EQUAL, UNREADABLE

if TYPE_CHECKING:
    from collections.abc import Sequence

LIMIT_SECONDS = 2.0
SLACK_SECONDS = 0.5

_GYM = ("gsm_symbolic", "simple_equations", "polynomial_equations", "fraction_simplification")
_GYM_PROBLEMS = 200


@dataclass(frozen=True, slots=True)
class GradingResult:
    answers: int
    equal_to_itself: int
    neighbours: int
    """Pairs of an answer and the next problem's, where the strings differ."""
    equal_neighbours: tuple[tuple[str, str], ...]
    known: int
    known_right: int
    longest_seconds: float
    """Of an endless comparison, from the question to its verdict."""


async def examine(files: Sequence[Path]) -> GradingResult:
    """Grade the answers of JSONL files, or of reasoning-gym's problems where there are none."""
    sets = [_answers(file) for file in files] or [_gym_answers(name) for name in _GYM]
    answers = list(itertools.chain.from_iterable(sets))
    neighbours = [
        (left, right) for one in sets for left, right in itertools.pairwise(one) if left != right
    ]
    async with ProcessGrader(processes=2, limit_seconds=10.0) as grader:
        itself = await _grade(grader, [(f"$\\boxed{{{one}}}$", one) for one in answers])
        beside = await _grade(grader, neighbours)
        expected = [Verdict.EQUAL] * len(EQUAL) + [Verdict.DIFFERENT] * len(DIFFERENT)
        expected += [Verdict.UNDECIDED] * len(UNREADABLE)
        known = await _grade(grader, [*EQUAL, *DIFFERENT, *UNREADABLE])
    return GradingResult(
        answers=len(answers),
        equal_to_itself=itself.count(Verdict.EQUAL),
        neighbours=len(neighbours),
        equal_neighbours=tuple(
            pair
            for pair, verdict in zip(neighbours, beside, strict=True)
            if verdict is Verdict.EQUAL
        ),
        known=len(expected),
        known_right=sum(a is b for a, b in zip(known, expected, strict=True)),
        longest_seconds=await _longest(),
    )


async def _grade(grader: ProcessGrader, pairs: Sequence[tuple[str, str]]) -> list[Verdict]:
    return await asyncio.gather(*(grader.grade(answer, truth=truth) for answer, truth in pairs))


async def _longest() -> float:
    """How long the grader spends on a comparison that never ends, its limit being two seconds."""
    times = []
    async with ProcessGrader(limit_seconds=LIMIT_SECONDS) as grader:
        for answer in ENDLESS:
            await grader.grade("x(x+1)", truth="x^2 + x")  # The process has started.
            started = time.perf_counter()
            await grader.grade(answer, truth="5")
            times.append(time.perf_counter() - started)
    return max(times)


def _answers(file: Path) -> list[str]:
    return [str(json.loads(line)["answer"]) for line in file.read_bytes().splitlines() if line]


def _gym_answers(name: str) -> list[str]:
    problems = reasoning_gym.create_dataset(name, size=_GYM_PROBLEMS, seed=1)
    return [str(problem["answer"]) for problem in problems]
