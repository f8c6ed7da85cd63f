"""A policy without a model that solves "What is A + B?": right, wrong, failing and formless steps.

What it writes is a function of the prompt, the seed and the candidate's index. About half of its
steps are right, so that a search over it finds correct and wrong answers within a few rollouts.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from random import Random

from services.steps import (
    ANSWER,
    END_OF_ANSWER,
    END_OF_CODE,
    END_OF_OUTPUT,
    END_OF_STEP,
    OUTPUT,
    root_prompt,
)

SUM = re.compile(r"(-?\d+)\s*([-+*])\s*(-?\d+)")
ASSISTANT = root_prompt("").partition("\n\n")[2]
USER = "<|user|>:\n"

STEP_KINDS = ("right", "wrong", "failing", "formless")
STEP_WEIGHTS = (55, 25, 15, 5)


@dataclass(frozen=True, slots=True)
class Sum:
    """The operation that a question asks for."""

    left: int
    operator: str
    right: int

    @property
    def value(self) -> int:
        results = {
            "+": self.left + self.right,
            "-": self.left - self.right,
            "*": self.left * self.right,
        }
        return results[self.operator]


def find_sum(prompt: str) -> Sum | None:
    """The first operation in the prompt's last question."""
    question = prompt.rpartition(USER)[2].partition(ASSISTANT)[0]
    found = SUM.search(question)
    return Sum(int(found[1]), found[2], int(found[3])) if found else None


def write_step(prompt: str, index: int, seed: int) -> str:
    """The text of candidate `index` after a prompt."""
    asked = find_sum(prompt)
    solution = prompt.rpartition(ASSISTANT)[2]
    if solution.endswith(ANSWER):
        output = solution.rpartition(OUTPUT)[2].partition(END_OF_OUTPUT)[0]
        return rf"The answer is \boxed{{{output}}}.{END_OF_ANSWER}"
    if asked is None:
        return "I do not know this kind of problem."
    random = Random(f"{seed}/{index}/{prompt}")  # noqa: S311
    kind = random.choices(STEP_KINDS, weights=STEP_WEIGHTS)[0]
    if kind == "formless":
        return "Let me think about this for a while."
    slip = 0 if kind == "right" else random.randint(1, 3)
    done = solution.count(END_OF_STEP)
    if done == 0:
        return _numbers(asked, slip, failing=kind == "failing")
    if done == 1:
        return _operation(asked, slip, failing=kind == "failing")
    return f"# Now print the final answer\nprint(total)\n{END_OF_CODE}"


def score_prefix(prompt: str) -> float:
    """Raw score of a prefix: above 0 while all of it is right, below 0 once a step was not."""
    asked = find_sum(prompt)
    solution = prompt.rpartition(ASSISTANT)[2]
    steps = solution.split(END_OF_STEP)[:-1]
    if asked is None:
        return 0.0
    right = (_numbers(asked, 0, failing=False), _operation(asked, 0, failing=False))
    # Strict is wrong here: a prefix has fewer steps than the solution.
    good = all(
        step.strip() == wanted.removesuffix(END_OF_STEP).strip()
        for step, wanted in zip(steps, right, strict=False)
    )
    return (1.0 if good else -1.0) * (0.5 + 0.5 * len(steps))


def _numbers(asked: Sum, slip: int, *, failing: bool) -> str:
    right = "int('?')" if failing else str(asked.right + slip)
    return f"# Step 1: Write down the numbers\nleft = {asked.left}\nright = {right}\n{END_OF_STEP}"


def _operation(asked: Sum, slip: int, *, failing: bool) -> str:
    extra = f" + {slip}" if slip else ""
    right = "missing" if failing else "right"
    return f"# Step 2: Combine them\ntotal = left {asked.operator} {right}{extra}\n{END_OF_STEP}"
