"""Back-up: a rollout's reward is added to every node on its path, once."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

from db.vocabulary import TerminalReason, Verdict

if TYPE_CHECKING:
    from collections.abc import Sequence

    from services.search.tree import Node, Tree

_SINGLE = struct.Struct("f")

REWARDS = {Verdict.EQUAL: 1.0, Verdict.DIFFERENT: -1.0, Verdict.UNDECIDED: 0.0}
"""+1 for a correct answer and -1 for a wrong one (rStar-Math section 3.3). An answer that the
grader cannot decide is no evidence either way."""

NO_ANSWER = REWARDS[Verdict.DIFFERENT]
"""A rollout that ends without an answer is worth what a wrong one is."""


def end_with_answer(node: Node, verdict: Verdict) -> None:
    """Make an answer node terminal."""
    node.terminal_reason = TerminalReason.ANSWER
    node.verdict = verdict
    node.reward = REWARDS[verdict]


def end_with_open_answer(node: Node) -> None:
    """Make an answer node terminal whose truth is not known; it weighs nothing until a rollout
    ends there (`services.search.agreement`)."""
    node.terminal_reason = TerminalReason.ANSWER
    node.reward = 0.0


def end_without_answer(node: Node, reason: TerminalReason) -> None:
    """Make a node terminal from which no answer was reached."""
    node.terminal_reason = reason
    node.reward = NO_ANSWER


def back_up(path: Sequence[Node]) -> None:
    """q(s)^k = q(s)^(k-1) + reward for every node from the root to the terminal, both included."""
    terminal = path[-1]
    if terminal.reward is None:
        raise ValueError(f"node {terminal.number} is not terminal")
    for node in path:
        node.visit_count += 1
        node.value_sum += terminal.reward
        node.leads_to_correct |= terminal.is_labelled and terminal.reward > 0
        node.leads_to_wrong |= terminal.is_labelled and terminal.reward < 0


def restate_values(tree: Tree) -> None:
    """value_sum(node) = prior + the sum over the ends below it of their own visits x reward.

    What a rollout's end is worth enters the values only through visits, so this is what backing up
    every rollout with the rewards of now would give, exactly.
    """
    earned = [
        ends * (node.reward or 0.0)
        for node, ends in zip(tree.nodes, ended_rollouts(tree), strict=True)
    ]
    # Children come after their parents, so backwards every node is complete when it is met.
    for node in reversed(tree.nodes):
        node.value_sum = (node.prior or 0.0) + earned[node.number]
        if node.parent is not None:
            earned[node.parent] += earned[node.number]


def ended_rollouts(tree: Tree) -> list[int]:
    """For each node, how many rollouts ended there: its visits that are none of its children's."""
    ended = [node.visit_count for node in tree.nodes]
    for node in tree.nodes:
        if node.parent is not None:
            ended[node.parent] -= node.visit_count
    return ended


def set_prior(node: Node, score: float) -> None:
    """q(s)^0 = PPM(prefix): PPM-augmented annotation (rStar-Math section 3.3)."""
    node.prior = node.value_sum = as_stored(score)


def as_stored(value: float) -> float:
    """A prior or a reward in the single precision in which it is stored.

    So a search that is read back goes on from the very numbers that it had.
    """
    return float(_SINGLE.unpack(_SINGLE.pack(value))[0])
