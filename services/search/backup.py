"""Back-up: a rollout's reward is added to every node on its path, once."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

from db.vocabulary import TerminalReason, Verdict

if TYPE_CHECKING:
    from collections.abc import Sequence

    from services.search.tree import Node

_SINGLE = struct.Struct("f")

REWARDS = {Verdict.EQUAL: 1.0, Verdict.DIFFERENT: -1.0, Verdict.UNDECIDED: 0.0}
"""+1 for a correct answer and -1 for a wrong one (rStar-Math section 3.3). An answer that the
grader cannot decide is no evidence either way."""


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
    """Make a node terminal from which no answer was reached; that is a wrong end."""
    node.terminal_reason = reason
    node.reward = REWARDS[Verdict.DIFFERENT]


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


def set_prior(node: Node, score: float) -> None:
    """q(s)^0 = PPM(prefix): PPM-augmented annotation (rStar-Math section 3.3)."""
    node.prior = node.value_sum = as_stored(score)


def as_stored(value: float) -> float:
    """A prior or a reward in the single precision in which it is stored.

    So a search that is read back goes on from the very numbers that it had.
    """
    return float(_SINGLE.unpack(_SINGLE.pack(value))[0])
