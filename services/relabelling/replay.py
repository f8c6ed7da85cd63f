"""Labels of a stored tree made anew: values follow from visits, and visits from selection.

With the visits as they are, the values are those of `services.search.backup.restate_values`.

The visits themselves depend on c. A recorded tree cannot be regrown: a candidate that was never
made is not there. But selection is a function of the tree, so it can be followed through the
recorded tree under another c for as long as it stays on nodes that were expanded; the first rollout
that would expand another one ends the replay, and the rollouts before it are those that a search
under this c would have made with these candidates. Under the recorded c, rewards and priors the
replay makes every rollout again.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from db.vocabulary import StepKind, TerminalReason, Verdict
from services.search.backup import as_stored, back_up, ended_rollouts, restate_values
from services.search.selection import select_child

if TYPE_CHECKING:
    from services.profiles import SearchProfile
    from services.relabelling.spec import Rewards
    from services.search.tree import Tree


def set_rewards(tree: Tree, rewards: Rewards) -> None:
    """The reward of every end. Answers without a ground truth keep what their agreement gave."""
    for node in tree.nodes:
        if node.terminal_reason is None:
            continue
        reward = rewards.of(node.terminal_reason, node.verdict)
        if reward is not None:
            node.reward = as_stored(reward)


def restate(tree: Tree) -> None:
    """Values and flags from the visits, rewards, verdicts and priors."""
    restate_values(tree)
    for node, ends in zip(tree.nodes, ended_rollouts(tree), strict=True):
        is_end = ends > 0 and node.reward is not None
        answered = node.terminal_reason is TerminalReason.ANSWER
        node.leads_to_correct = is_end and node.verdict is Verdict.EQUAL
        node.leads_to_wrong = is_end and (node.verdict is Verdict.DIFFERENT or not answered)
    for node in reversed(tree.nodes):
        if node.parent is not None:
            parent = tree.nodes[node.parent]
            parent.leads_to_correct |= node.leads_to_correct
            parent.leads_to_wrong |= node.leads_to_wrong


def reselect(tree: Tree, profile: SearchProfile) -> int:
    """Make the tree's rollouts again under the profile's c. Returns how many could be made.

    The tree then has the visits of these rollouts; `restate` is still to be called.
    """
    wanted, tree.rollouts = tree.rollouts, 0
    for node in tree.nodes:
        node.visit_count, node.value_sum = 0, node.prior or 0.0
    while tree.rollouts < wanted:
        path = [tree.root]
        while path[-1].terminal_reason is None:
            if not path[-1].expanded:
                return tree.rollouts
            child = select_child(tree, path[-1], profile)
            if child is None:
                raise ValueError(f"node {path[-1].number} has no child that ran and is no end")
            path.append(child)
        back_up(path)
        tree.rollouts += 1
    return tree.rollouts


def regradable(tree: Tree) -> list[int]:
    """Numbers of the answers."""
    return [node.number for node in tree.nodes if node.kind is StepKind.ANSWER and node.is_viable]
