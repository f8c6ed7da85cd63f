"""Selection: which child a rollout goes to. A child that failed is never chosen."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from services.search.tree import Node, Tree


def uct(q_value: float, visits: int, parent_visits: int, exploration: float) -> float:
    """UCT(s) = Q(s) + c sqrt(ln N(parent) / N(s)) (rStar-Math section 3.1, equation 1).

    Infinite for a child without visits, so that every child is tried once before any is tried
    again.
    """
    if visits == 0:
        return math.inf
    return q_value + exploration * math.sqrt(math.log(parent_visits) / visits)


def select_child(tree: Tree, node: Node, exploration: float) -> Node | None:
    """The child with the highest UCT; None where no child ran.

    Among children without visits the one with the highest prior goes first; what is still equal
    is decided by the order of proposal, so that a search with the same seed is the same search.
    """
    children = tree.viable_children(node)
    if not children:
        return None
    return max(
        children,
        key=lambda child: (
            uct(child.q_value, child.visit_count, node.visit_count, exploration),
            child.q_value,
            -child.number,
        ),
    )
