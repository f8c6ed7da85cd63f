"""Rewards without a ground truth: an answer is worth what the tree's other answers say of it.

The confidence of an answer is the share of the tree's trajectories, of those that gave an answer,
whose answer is equal to it (self-consistency; rStar, arXiv 2408.06195, section 3.2, takes it as the
terminal's reward). A trajectory weighs as much as the policy proposed it, the product of the shares
that its steps have of the candidates: equal candidates are one node here, in rStar they are many.
It weighs the same however often rollouts end in it, so that no answer gains by being visited.

rStar's reward is the confidence itself, in [0, 1]. Here it is 2 x confidence - 1: the exploration
constant of this search and its end without an answer (-1, no support at all) are made for rewards
in [-1, 1] (rStar-Math section 3.3), and Q stays within them.

A confidence changes with every new trajectory, and values follow: at any time the value_sum of a
node is its prior and the sum over its ends of visits x reward, with the rewards of that time.
"""

from __future__ import annotations

from collections import defaultdict
from itertools import pairwise
from typing import TYPE_CHECKING

from db.vocabulary import TerminalReason, Verdict
from services.search.backup import as_stored, restate_values
from services.steps import boxed

if TYPE_CHECKING:
    from collections.abc import Sequence

    from services.search.protocols import Grader
    from services.search.tree import Node, Tree


async def weigh_answers(tree: Tree, terminal: Node, grader: Grader) -> None:
    """Let a rollout's end vote, and bring the rewards and values of the tree up to date.

    To be called before the rollout is backed up. An end without an answer has no vote.

    Raises:
        InfrastructureError: the grader failed; rewards and values are as they were.
    """
    if terminal.terminal_reason is not TerminalReason.ANSWER or terminal.visit_count:
        return
    voters = [node for node in tree.nodes if _has_voted(node) or node is terminal]
    await _classify(voters, grader)
    votes: defaultdict[int | None, float] = defaultdict(float)
    for voter in voters:
        votes[voter.agrees_with] += _weight(tree, voter)
    total = sum(votes.values())
    for voter in voters:
        voter.reward = as_stored(reward_of(votes[voter.agrees_with] / total))
    restate_values(tree)


def reward_of(confidence: float) -> float:
    """The reward in [-1, 1] of an answer of this confidence in [0, 1]."""
    return 2 * confidence - 1


def _weight(tree: Tree, terminal: Node) -> float:
    """How probable the policy's candidates make this trajectory, above 0 to 1."""
    weight = 1.0
    for parent, child in pairwise(tree.path(terminal)):
        siblings = sum(tree.nodes[number].proposals for number in parent.children)
        weight *= child.proposals / siblings
    return weight


def _has_voted(node: Node) -> bool:
    return node.terminal_reason is TerminalReason.ANSWER and node.visit_count > 0


async def _classify(voters: Sequence[Node], grader: Grader) -> None:
    """Find the equivalence class of each voter that has none: those of a tree read from storage.

    An answer that the grader cannot compare agrees with nobody.
    """
    first = {voter.number: voter for voter in voters if voter.agrees_with == voter.number}
    for voter in voters:
        if voter.agrees_with is not None:
            continue
        found = voter.number
        for number, other in first.items():
            if await grader.grade(_answer(voter), truth=_answer(other)) is Verdict.EQUAL:
                found = number
                break
        voter.agrees_with = found
        first.setdefault(found, voter)


def _answer(node: Node) -> str:
    return node.answer or boxed(node.text)
