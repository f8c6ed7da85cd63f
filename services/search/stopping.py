"""When a tree is decided: more rollouts would tell nothing new. An option; the paper has none.

A function of the tree alone, so that a search that was interrupted stops where it would have.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from db.vocabulary import TerminalReason

if TYPE_CHECKING:
    from services.profiles import EarlyStopping
    from services.search.tree import Tree


def is_decided(tree: Tree, rule: EarlyStopping | None) -> bool:
    """Whether a solved tree has the trajectories that the rule asks for, or its Q has settled.

    An unsolved tree is never decided: what is left of its rollouts may still solve it.
    """
    if rule is None or not tree.solved or tree.rollouts < rule.min_rollouts:
        return False
    if rule.correct is not None and rule.wrong is not None:
        correct, wrong = trajectories(tree)
        if correct >= rule.correct and wrong >= rule.wrong:
            return True
    return rule.q_tolerance is not None and q_deviation(tree) <= rule.q_tolerance


def trajectories(tree: Tree) -> tuple[int, int]:
    """How many different answers-with-their-paths were reached that are right, and wrong."""
    ends = [
        node.reward or 0.0
        for node in tree.nodes
        if node.terminal_reason is TerminalReason.ANSWER and node.visit_count and node.is_labelled
    ]
    return sum(reward > 0 for reward in ends), sum(reward < 0 for reward in ends)


def q_deviation(tree: Tree) -> float:
    """Standard deviation of the root's Q, in [0, 0.58], were its rollouts independent draws.

    With k correct of n rollouts the share of correct ones has the posterior Beta(k + 1, n - k + 1)
    under a uniform prior; Q = 2 x share - 1 has twice its deviation. UCT's rollouts favour what was
    right before, so this is a rule of thumb and no confidence interval.
    """
    n = tree.root.visit_count
    correct = sum(node.visit_count for node in tree.nodes if (node.reward or 0.0) > 0)
    share = (correct + 1) / (n + 2)
    return 2 * math.sqrt(share * (1 - share) / (n + 3))
