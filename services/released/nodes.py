"""The nodes of one tree of the released code, as nodes of ours.

The released code writes, for each tag of a node (`0` is the root, `0.2.1` the first child of the
second child), its state: text, q_value, visit_count, value and, where there are any, final_answer
and observation. What differs from our trees:

- An answer is backed up when it is made and never visited again, so the visits of a step are the
  answers below it; where a PPM scored the step when it was made, that score counts as one visit
  more and is our prior.
- A dead end (too many errors, too many steps, unparsable) takes its -1 for itself and gives none to
  its ancestors. Ours counts rollouts, so such a node has no visit and leads nowhere.
- A step whose code failed may be gone on from (`errors_threshold`). It has been viable, so its
  outcome is ok; what failed stands in its error.

Source: rstar_deepthink/agents/mcts.py (`return_states`, `create_child`) and nodes/mcts_node.py.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from db.records.searches import NodeRecord
from db.values import q_value
from db.vocabulary import Outcome, StepKind, TerminalReason, Verdict
from services.errors import TreeImportError
from services.released.texts import observation_of, outcome_of, step_of
from services.search.backup import NO_ANSWER, REWARDS

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

TOO_MANY_ERRORS = "Too many consecutive steps have code errors."
TOO_MANY_STEPS = "Fail to sove the problem within limited steps."
UNPARSABLE = "Fail to generate parsable text for next step."
"""What stands for an answer at a dead end, as the released code spells it."""

_TAG = re.compile(r"0(?:\.\d+)*")
_CLOSE = 1e-6


@dataclass(frozen=True, slots=True)
class State:
    """What the released code keeps of a node, its types checked."""

    where: str
    text: str
    observation: str
    final_answer: str
    q_value: float
    visit_count: int
    value: float


@dataclass(slots=True)
class _Below:
    """What was backed up through a node."""

    visits: int = 0
    rewards: float = 0.0
    correct: bool = False
    wrong: bool = False

    def add(self, other: _Below) -> None:
        self.visits += other.visits
        self.rewards += other.rewards
        self.correct |= other.correct
        self.wrong |= other.wrong


def nodes_of(states: Mapping[str, object], where: str) -> tuple[NodeRecord, ...]:
    """The tree, parents before children.

    Raises:
        TreeImportError: it is not one of the released code, or its numbers do not add up; names
            the node.
    """
    tags = _ordered_tags(states, where)
    read = {tag: _state(states[tag], f"{where} node {tag}") for tag in tags}
    parents = {tag: tag.rpartition(".")[0] for tag in tags}
    with_children = set(parents.values())
    below = {tag: _Below() for tag in tags}
    for tag in reversed(tags):
        if _is_answer(read[tag]):
            if tag in with_children:
                raise TreeImportError(f"{read[tag].where} is an answer and has children. {_REMEDY}")
            below[tag].add(_backed_up(read[tag]))
        if parents[tag]:
            below[parents[tag]].add(below[tag])
    numbers = {tag: number for number, tag in enumerate(tags)}
    records: dict[str, NodeRecord] = {}
    for tag in tags:
        parent = records.get(parents[tag])
        record = _node(read[tag], parent, below[tag])
        records[tag] = replace(
            record, node_no=numbers[tag], parent_no=numbers.get(parents[tag]), depth=tag.count(".")
        )
    return tuple(records.values())


_REMEDY = "Give the output of main.py in mode mcts as the released code wrote it."


def _ordered_tags(states: Mapping[str, object], where: str) -> list[str]:
    if "solutions" in states:
        raise TreeImportError(f"{where} was made by beam search, which labels nothing. {_REMEDY}")
    wrong = next((tag for tag in states if not _TAG.fullmatch(tag)), None)
    if wrong is not None:
        raise TreeImportError(f"{where} has {wrong[:40]!r} where a node's tag belongs. {_REMEDY}")
    if "0" not in states:
        raise TreeImportError(f"{where} has no root (tag 0). {_REMEDY}")
    orphan = next(
        (tag for tag in states if tag != "0" and tag.rpartition(".")[0] not in states), None
    )
    if orphan is not None:
        raise TreeImportError(
            f"{where} node {orphan} has no parent {orphan.rpartition('.')[0]}. {_REMEDY}"
        )
    return sorted(states, key=lambda tag: (tag.count("."), [int(k) for k in tag.split(".")]))


def _state(state: object, where: str) -> State:
    if not isinstance(state, dict):
        raise TreeImportError(f"{where} is not an object. {_REMEDY}")

    def text(name: str, *, needed: bool = False) -> str:
        value = state.get(name, None if needed else "")
        if not isinstance(value, str):
            raise TreeImportError(f"{where} has no text in {name!r}. {_REMEDY}")
        return value

    def number(name: str) -> float:
        value = state.get(name)
        if (
            isinstance(value, bool)
            or not isinstance(value, int | float)
            or not math.isfinite(value)
        ):
            raise TreeImportError(f"{where} has no number in {name!r}. {_REMEDY}")
        return float(value)

    visits = number("visit_count")
    if visits < 0 or not visits.is_integer():
        raise TreeImportError(f"{where} has the visit_count {visits:g}. {_REMEDY}")
    return State(
        where=where,
        text=text("text", needed=True),
        observation=text("observation"),
        final_answer=text("final_answer"),
        q_value=number("q_value"),
        visit_count=int(visits),
        value=number("value"),
    )


def _is_answer(state: State) -> bool:
    return bool(state.final_answer) and not _is_dead_end(state)


def _is_dead_end(state: State) -> bool:
    return state.final_answer in (TOO_MANY_ERRORS, TOO_MANY_STEPS, UNPARSABLE)


def _backed_up(answer: State) -> _Below:
    if answer.q_value not in (1.0, -1.0) or answer.visit_count < 1:
        raise TreeImportError(
            f"{answer.where} is an answer with q_value {answer.q_value:g} after "
            f"{answer.visit_count} visits, where a label is +1 or -1. Trees of an evaluation "
            "(is_sampling: False) hold a reward model's scores instead of labels; give those of "
            "sampling."
        )
    correct = answer.q_value > 0
    rewards = answer.q_value * answer.visit_count
    return _Below(answer.visit_count, rewards, correct=correct, wrong=not correct)


def _node(state: State, parent: NodeRecord | None, below: _Below) -> NodeRecord:
    plain = NodeRecord(
        node_no=0,
        parent_no=None,
        depth=0,
        kind=StepKind.ROOT,
        outcome=Outcome.OK,
        terminal_reason=None,
        verdict=None,
        leads_to_correct=below.correct,
        leads_to_wrong=below.wrong,
        visit_count=below.visits,
        value_sum=below.rewards,
        prior=None,
        reward=None,
        generated_tokens=0,
        proposals=1,
        wall_seconds=0.0,
        text="",
        observation="",
        error=None,
    )
    if parent is None:
        _check_sum(state, below, prior=None)
        return plain
    step = step_of(state.text, after=parent.kind, is_answer=_is_answer(state))
    plain = replace(plain, kind=step.kind, text=step.text)
    if _is_answer(state):
        verdict = Verdict.EQUAL if below.correct else Verdict.DIFFERENT
        return replace(
            plain,
            terminal_reason=TerminalReason.ANSWER,
            verdict=verdict,
            reward=REWARDS[verdict],
        )
    plain = replace(plain, observation=observation_of(state.text, state.observation))
    if _is_dead_end(state):
        return _dead_end(plain, state)
    prior = _prior(state, below)
    _check_sum(state, below, prior=prior)
    outcome, error = outcome_of(plain.observation)
    return replace(
        plain,
        prior=prior,
        value_sum=below.rewards + (prior or 0.0),
        error=None if outcome is Outcome.OK else error,
    )


def _dead_end(plain: NodeRecord, state: State) -> NodeRecord:
    if state.final_answer == TOO_MANY_STEPS:
        return replace(plain, terminal_reason=TerminalReason.MAX_DEPTH, reward=NO_ANSWER)
    if state.final_answer == UNPARSABLE:
        return replace(plain, kind=StepKind.UNPARSABLE, outcome=Outcome.UNPARSABLE)
    outcome, error = outcome_of(plain.observation)
    failed = Outcome.RAISED if outcome is Outcome.OK else outcome
    return replace(plain, outcome=failed, error=error)


def _prior(state: State, below: _Below) -> float | None:
    """The PPM's score, where one counts among the visits."""
    extra = state.visit_count - below.visits
    if extra == 0:
        return None
    if extra != 1:
        raise TreeImportError(
            f"{state.where} has {state.visit_count} visits where {below.visits} answers stand "
            f"below it. {_REMEDY}"
        )
    if abs(state.value) > 1:
        raise TreeImportError(
            f"{state.where} has a reward model's score of {state.value:g}; it must be within "
            "[-1, 1]. Give trees whose scores were read as tanh."
        )
    return state.value


def _check_sum(state: State, below: _Below, *, prior: float | None) -> None:
    visits = below.visits + (prior is not None)
    expected = q_value(below.rewards + (prior or 0.0), below.visits, prior=prior)
    if state.visit_count != visits or abs(state.q_value - expected) > _CLOSE:
        raise TreeImportError(
            f"{state.where} has q_value {state.q_value:g} after {state.visit_count} visits, where "
            f"the answers below it give {expected:g} after {visits}. {_REMEDY}"
        )


def rollouts_of(nodes: Sequence[NodeRecord]) -> int:
    """How many answers were backed up."""
    return nodes[0].visit_count
