"""Selection: which child a rollout goes to. A child that failed is never chosen.

Rollouts that run at a time in one tree see each other as losses that have happened already (virtual
loss), so that they spread; the counts of `Node.in_flight` are integers apart from visits and
values, so that taking a loss back leaves nothing behind.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from db.values import q_value

if TYPE_CHECKING:
    from services.profiles import SearchProfile
    from services.search.tree import Node, Tree


def uct(q_value: float, visits: int, parent_visits: int, exploration: float) -> float:
    """UCT(s) = Q(s) + c sqrt(ln N(parent) / N(s)) (rStar-Math section 3.1, equation 1).

    Infinite for a child without visits, so that every child is tried once before any is tried
    again.
    """
    if visits == 0:
        return math.inf
    return q_value + exploration * math.sqrt(math.log(parent_visits) / visits)


def select_child(tree: Tree, node: Node, profile: SearchProfile) -> Node | None:
    """The child with the highest UCT; None where no child ran.

    Among children without visits the one with the highest prior goes first; what is still equal
    is decided by the order of proposal, so that a search with the same seed is the same search.
    """
    children = tree.viable_children(node)
    if not children:
        return None
    # The rollout that selects is itself in flight through the parent.
    parent_visits = node.visit_count + max(node.in_flight - 1, 0)

    def score(child: Node) -> tuple[float, float, int]:
        q_value, visits = q_with_virtual_loss(child), child.visit_count + child.in_flight
        if visits == 0 and profile.deviations.unvisited_without_bonus:
            return q_value, q_value, -child.number
        explored = uct(q_value, visits, parent_visits, profile.exploration)
        return explored, q_value, -child.number

    return max(children, key=score)


def q_with_virtual_loss(node: Node) -> float:
    """Q as if every rollout in flight through the node had ended with -1."""
    lost = node.in_flight
    return q_value(node.value_sum - lost, node.visit_count + lost, prior=node.prior)
