"""A policy of good and bad days: it varies a known solution step by step, without a model.

Its steps are real: converted reference solutions, reworded, miscalculated, cut off or broken, and
run by a real interpreter. So depths, branching, Q-values, failures and texts are those of a search
over word problems with a policy that is right a little more often than not.
"""

from __future__ import annotations

import contextlib
import io
import random
import re
from dataclasses import dataclass, field
from functools import cache
from types import CodeType

from reasoning_gym import create_dataset

from db.vocabulary import Outcome, Verdict
from services.problems.reference_solutions import convert
from services.steps import END_OF_ANSWER, END_OF_CODE, END_OF_STEP, OUTPUT, Candidate

_NUMBER = re.compile(r"\d+")
_OPENINGS = (
    "This sentence of the problem gives us the next value, so we can work it out directly.",
    "We found the value that this needs in the step before, and only have to combine them.",
    "The numbers are given in the question; we read them off and put them together.",
    "Translate the next statement into an equation, evaluate it and keep the result.",
    "Keep the result in a variable of its own, because a later step will need it again.",
    "Be careful with the unit here: the question asks for whole ones, not for a share.",
)


@dataclass(frozen=True, slots=True)
class Solved:
    """A problem with its converted reference solution."""

    question: str
    answer: str
    steps: tuple[str, ...]


def solved_problems(count: int, *, seed: int) -> list[Solved]:
    """Problems of reasoning-gym's gsm_symbolic whose reference solution converts to steps."""
    found: list[Solved] = []
    for item in create_dataset("gsm_symbolic", size=2 * count + 20, seed=seed):
        draft = convert(item["question"], item["answer"], item["metadata"]["answer_cot"])
        if draft is not None:
            found.append(Solved(item["question"], item["answer"], draft.steps))
        if len(found) == count:
            break
    return found


@dataclass
class VaryingPolicy:
    """Proposes variations of the next step of a known solution."""

    solution: tuple[str, ...]
    slip: float = 0.25
    """Share of the steps that are miscalculated."""

    async def propose(
        self, prompt: str, *, count: int, seed: int, affinity: int
    ) -> list[Candidate]:
        chance = random.Random(seed)
        if prompt.endswith("<answer>"):
            shown = prompt.rpartition(OUTPUT)[2].partition("<end")[0]
            texts = [_answer(shown, chance) for _ in range(count)]
        else:
            *body, final = self.solution
            place = prompt.count(END_OF_STEP)
            last = place >= len(body)
            step, ending = (final, END_OF_CODE) if last else (body[place], END_OF_STEP)
            texts = [f"{_varied(step, chance, self.slip)}\n{ending}" for _ in range(count)]
            texts = [text if chance.random() > 0.02 else text[:40] for text in texts]
        return [Candidate(text, tokens=len(text) // 4) for text in texts]


@dataclass
class HashPpm:
    """A score in [-1, 1] that depends on the prompt alone."""

    async def score(self, prompts: list[str]) -> list[float]:
        return [round(random.Random(prompt).triangular(-1, 1, 0.2), 4) for prompt in prompts]


@dataclass(frozen=True, slots=True)
class Ran:
    """What one run of one step did."""

    outcome: Outcome
    observation: str = ""
    exception_type: str = ""
    exception_message: str = ""
    wall_seconds: float = 0.0023


@dataclass
class Interpreter:
    """Runs steps in this process; only for the steps of `VaryingPolicy`, which are our own."""

    states: list[dict[str, object]] = field(default_factory=lambda: [{}])

    async def execute(self, code: str, *, parent: int) -> tuple[int, Ran]:
        names, shown = dict(self.states[parent]), io.StringIO()
        try:
            with contextlib.redirect_stdout(shown):
                exec(_compiled(code), names)
        except Exception as error:
            return 0, Ran(Outcome.RAISED, "", type(error).__name__, str(error))
        self.states.append(names)
        return len(self.states) - 1, Ran(Outcome.OK, shown.getvalue().strip())


@dataclass
class NumberGrader:
    """Answers are plain numbers here."""

    async def grade(self, answer: str, *, truth: str) -> Verdict:
        with contextlib.suppress(ValueError):
            equal = abs(float(answer) - float(truth.replace(",", ""))) < 1e-6
            return Verdict.EQUAL if equal else Verdict.DIFFERENT
        return Verdict.DIFFERENT


def _varied(step: str, chance: random.Random, slip: float) -> str:
    """The same step, reworded; some are miscalculated, one in eight does not run."""
    comment, _, code = step.partition("\n")
    opening = chance.choice(_OPENINGS)
    day = chance.random()
    if day > 1 - slip:
        numbers = list(_NUMBER.finditer(code))
        if numbers:
            wrong = chance.choice(numbers)
            value = int(wrong.group()) + chance.choice((-2, -1, 1, 2, 10))
            code = f"{code[: wrong.start()]}{value}{code[wrong.end() :]}"
    elif day < 0.125:
        code = f"{code} / {chance.choice(('rest', 'amount', '0', 'number_of_them'))}"
    return f"{comment}\n# {opening}\n{code}"


def _answer(shown: str, chance: random.Random) -> str:
    wording = chance.choice(("The answer is", "Therefore, the final answer is", "So we get"))
    value = shown if chance.random() > 0.1 else f"{shown}0"
    return f"{wording} \\boxed{{{value}}}{END_OF_ANSWER}"


@cache
def _compiled(code: str) -> CodeType:
    return compile(code, "<step>", "exec")
