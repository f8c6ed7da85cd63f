"""Which part of a trajectory the discriminator is given: a random 20 to 80 % of its steps.

Source: rStar, arXiv 2408.06195, section 3.3. The part is a function of the trajectory and a seed.
It never holds the step that fixes the answer: in code that is the final code, whose output is the
answer; in words it is the last line.
"""

from __future__ import annotations

from dataclasses import dataclass
from random import Random
from typing import TYPE_CHECKING

from db.records.trees import PathStep
from db.vocabulary import Outcome, StepKind
from services.search.tree import Node, Tree
from services.steps import END_OF_STEP, split_ending

if TYPE_CHECKING:
    from collections.abc import Sequence

SMALLEST_SHARE = 0.2
LARGEST_SHARE = 0.8


@dataclass(frozen=True, slots=True)
class Prefix:
    """What a discriminator is given of a trajectory."""

    share: float
    """As it was drawn, in [0.2, 0.8]."""
    steps: tuple[PathStep, ...]
    of_steps: int
    """Steps of which these are the first; always more than these."""


def draw_prefix(trajectory: Sequence[PathStep], *, seed: int) -> Prefix:
    """The first steps of a trajectory, which ends in its answer.

    At least one step is given where there are two or more; of a single step none can be.
    """
    steps = reasoning_steps(trajectory)
    share = Random(seed).uniform(SMALLEST_SHARE, LARGEST_SHARE)  # noqa: S311
    given = min(max(round(share * len(steps)), 1), len(steps) - 1)
    return Prefix(share, tuple(steps[:given]), len(steps))


def reasoning_steps(trajectory: Sequence[PathStep]) -> list[PathStep]:
    """The steps that lead to the answer; in words the lines of the answer step are steps too."""
    *before, answer = trajectory
    if any(step.kind is StepKind.FINAL_CODE for step in before):
        return before
    lines = [line for line in split_ending(answer.text)[0].splitlines() if line.strip()]
    return [
        *before,
        *(
            PathStep(StepKind.THOUGHT, f"{line.strip()}\n{END_OF_STEP}", observation="")
            for line in lines
        ),
    ]


def tree_of(question: str, prefix: Prefix) -> Tree:
    """A tree with one path, the prefix; the first rollout goes down it and expands its end."""
    tree = Tree(question)
    for number, step in enumerate(prefix.steps, start=1):
        tree.nodes[-1].expanded = True
        tree.add(
            Node(
                number=number,
                parent=number - 1,
                depth=number,
                kind=step.kind,
                text=step.text,
                outcome=Outcome.OK,
                observation=step.observation,
            )
        )
    return tree
