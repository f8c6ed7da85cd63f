"""Labels of a stored tree made anew: values follow from visits, and visits from selection.

What a rollout's end is worth enters the values only through visits, so with the visits as they are,
value_sum(node) = prior + the sum over the ends below it of their own visits x reward, exactly.

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
from services.search.backup import as_stored, back_up
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
    for node in tree.nodes:
        node.value_sum = node.prior or 0.0
        node.leads_to_correct = node.leads_to_wrong = False
    visits_below = [0] * len(tree.nodes)
    earned = [0.0] * len(tree.nodes)
    # Children come after their parents, so backwards every node is complete when it is met.
    for node in reversed(tree.nodes):
        ends = node.visit_count - visits_below[node.number]
        if ends and node.reward is not None:
            earned[node.number] += ends * node.reward
            answered = node.terminal_reason is TerminalReason.ANSWER
            node.leads_to_correct |= node.verdict is Verdict.EQUAL
            node.leads_to_wrong |= node.verdict is Verdict.DIFFERENT or not answered
        node.value_sum += earned[node.number]
        if node.parent is not None:
            parent = tree.nodes[node.parent]
            visits_below[parent.number] += node.visit_count
            earned[parent.number] += earned[node.number]
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
