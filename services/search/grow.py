"""A rollout: select, expand, evaluate, back up; it ends in a terminal node.

Given the same seed and collaborators that answer alike, the same tree grows, whatever else runs
beside it: nothing here depends on time or on chance.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from services.search.agreement import weigh_answers
from services.search.backup import back_up
from services.search.expansion import expand
from services.search.selection import select_child

if TYPE_CHECKING:
    from services.search.protocols import Assignment, Collaborators
    from services.search.tree import Tree


async def grow(tree: Tree, assignment: Assignment, collaborators: Collaborators) -> None:
    """Run rollouts until the profile's number is reached.

    Raises:
        InfrastructureError: a collaborator failed. The rollouts before are complete, the failed
            one left no trace in visits and values, and `grow` may be called again.
    """
    while tree.rollouts < assignment.profile.rollouts:
        await rollout(tree, assignment, collaborators)


async def rollout(tree: Tree, assignment: Assignment, collaborators: Collaborators) -> None:
    """One pass from the root to a terminal node. A known terminal may be reached again."""
    path = [tree.root]
    while path[-1].terminal_reason is None:
        node = path[-1]
        if not node.expanded:
            await expand(tree, node, assignment, collaborators)
        child = select_child(tree, node, assignment.profile.exploration)
        if child is not None:
            path.append(child)
    if assignment.truth is None:
        await weigh_answers(tree, path[-1], collaborators.grader)
    back_up(path)
    tree.rollouts += 1
