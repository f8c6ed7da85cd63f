"""One solution without a tree: a search of one rollout and one candidate a step.

Evaluation, problem synthesis and data generation so share every line that reads, runs and grades a
step.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from db.vocabulary import TerminalReason
from services.search.grow import grow
from services.search.protocols import Assignment, Collaborators
from services.search.tree import Tree

if TYPE_CHECKING:
    from services.profiles import SearchProfile
    from services.rollouts.engine import Equipment
    from services.search.tree import Node


async def solve_once(
    equipment: Equipment, question: str, *, profile: SearchProfile, seed: int, affinity: int
) -> Tree:
    """A solution, ungraded; `profile` must have one rollout and one candidate.

    Raises:
        InfrastructureError: an engine failed; nothing is known about the policy then.
    """
    tree = Tree(question)
    session = await equipment.sandbox.open_session()
    try:
        await grow(
            tree,
            Assignment(profile=profile, seed=seed, truth=None, affinity=affinity),
            Collaborators(equipment.policy, executor=session, grader=equipment.grader),
        )
    finally:
        await session.close()
    return tree


def answer_of(tree: Tree) -> Node | None:
    """The node that ends the solution with an answer; None where it came to none."""
    last = tree.nodes[-1]
    return last if last.terminal_reason is TerminalReason.ANSWER else None
