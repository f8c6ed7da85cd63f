"""What a step may be: an action set says which actions are open at a node.

An action makes the prompt of its candidates and reads what the policy wrote. The code-augmented
step (rStar-Math section 3.2) is an action set of one action; rStar's five actions (arXiv
2408.06195, section 3.1) are another. A search takes one set, which its profile names.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from db.vocabulary import StepKind
from services.profiles import Actions
from services.search.words import (
    answer_again_prompt,
    read_answer_again,
    read_remaining,
    read_rephrased,
    read_subquestion,
    read_thought,
    remaining_prompt,
    rephrase_prompt,
    subquestion_prompt,
    thought_prompt,
)
from services.steps import Step, parse_step

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from services.search.tree import Node, Tree


@dataclass(frozen=True, slots=True)
class Action:
    """One way to go on from a node."""

    name: str
    """Enters the seeds of its candidates."""
    prompt: Callable[[Tree, Node], str]
    read: Callable[[str, Node], Step]
    """What the policy wrote after a node, as a step."""
    several: bool = True
    """Whether it takes as many candidates as the profile says; else one."""


class ActionSet(Protocol):
    """Which actions are open at a node. A function of the node's path alone."""

    def open_at(self, tree: Tree, node: Node) -> tuple[Action, ...]:
        """The actions whose candidates become the node's children; at least one."""
        ...


CODE_STEP = Action(
    name="code_step",
    prompt=lambda tree, node: tree.prompt(node),
    read=lambda text, node: parse_step(text, after=node.kind),
)

A1_THOUGHT = Action("a1_thought", thought_prompt, read_thought)
A2_REMAINING = Action("a2_remaining", remaining_prompt, read_remaining, several=False)
A3_SUBQUESTION = Action("a3_subquestion", subquestion_prompt, read_subquestion)
A4_ANSWER_AGAIN = Action("a4_answer_again", answer_again_prompt, read_answer_again, several=False)
A5_REPHRASE = Action("a5_rephrase", rephrase_prompt, read_rephrased, several=False)
"""A1 and A3 may have several nodes a depth, the others one (rStar section 4.1)."""

_ALWAYS = (A1_THOUGHT, A2_REMAINING, A3_SUBQUESTION)


@dataclass(frozen=True, slots=True)
class ByKind:
    """An action set in which the kind of a node decides."""

    default: tuple[Action, ...]
    after: Mapping[StepKind, tuple[Action, ...]]

    def open_at(self, tree: Tree, node: Node) -> tuple[Action, ...]:  # noqa: ARG002
        """See `ActionSet.open_at`."""
        return self.after.get(node.kind, self.default)


CODE_STEPS = ByKind(default=(CODE_STEP,), after={})

RSTAR = ByKind(
    default=_ALWAYS,
    after={
        StepKind.ROOT: (*_ALWAYS, A5_REPHRASE),
        StepKind.SUBQUESTION: (*_ALWAYS, A4_ANSWER_AGAIN),
    },
)
"""A4 only follows A3, and A5 only the question itself (rStar section 3.1)."""

RSTAR_REMAINING = ByKind(default=(A2_REMAINING,), after={})

_SETS: Mapping[Actions, ActionSet] = {
    Actions.CODE_STEP: CODE_STEPS,
    Actions.RSTAR: RSTAR,
    Actions.RSTAR_REMAINING: RSTAR_REMAINING,
}


def action_set(actions: Actions) -> ActionSet:
    """The set that a profile names."""
    return _SETS[actions]


def completing(actions: Actions) -> Actions:
    """The set with which a given prefix is completed: in words, all remaining steps at once."""
    return Actions.CODE_STEP if actions is Actions.CODE_STEP else Actions.RSTAR_REMAINING
