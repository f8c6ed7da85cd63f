"""A rollout: select, expand, evaluate, back up; it ends in a terminal node.

Given the same seed and collaborators that answer alike, the same tree grows, whatever else runs
beside it: nothing here depends on time or on chance. That holds while the rollouts of a tree follow
one another, as in data generation. Where several run at a time (`parallel_rollouts`, for test
time), they repel each other by virtual loss, never expand a node twice, and the tree depends on who
comes first; its accounts are exact all the same.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from services.search.agreement import weigh_answers
from services.search.backup import back_up
from services.search.expansion import expand
from services.search.selection import select_child
from services.search.stopping import is_decided

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from services.search.protocols import Assignment, Collaborators
    from services.search.tree import Node, Tree


@dataclass(slots=True)
class Turns:
    """Who goes first, among rollouts that run at a time in one tree."""

    expanding: defaultdict[int, asyncio.Lock] = field(
        default_factory=lambda: defaultdict(asyncio.Lock)
    )
    ending: asyncio.Lock = field(default_factory=asyncio.Lock)


async def grow(
    tree: Tree,
    assignment: Assignment,
    collaborators: Collaborators,
    *,
    after_rollout: Callable[[], Awaitable[None]] | None = None,
) -> None:
    """Run rollouts until there are as many as the profile says, or the tree is decided.

    `after_rollout` is awaited after each. A tree that was grown before goes on where it stood.

    Raises:
        InfrastructureError: a collaborator failed. The rollouts before are complete, the failed
            one left no trace in visits and values, and `grow` may be called again.
    """
    profile, turns = assignment.profile, Turns()

    async def lane() -> None:
        while (
            # Those in flight will count; each is in flight through the root.
            tree.rollouts + tree.root.in_flight < profile.rollouts
            and not is_decided(tree, profile.early_stopping)
        ):
            await rollout(tree, assignment, collaborators, turns)
            if after_rollout is not None:
                async with turns.ending:
                    await after_rollout()

    if profile.parallel_rollouts == 1:
        await lane()
        return
    try:
        async with asyncio.TaskGroup() as group:
            for _ in range(profile.parallel_rollouts):
                group.create_task(lane())
    except BaseExceptionGroup as failures:
        raise failures.exceptions[0] from failures


async def rollout(
    tree: Tree, assignment: Assignment, collaborators: Collaborators, turns: Turns
) -> None:
    """One pass from the root to a terminal node. A known terminal may be reached again."""
    path: list[Node] = []
    try:
        _enter(path, tree.root)
        while path[-1].terminal_reason is None:
            node = path[-1]
            if not node.expanded:
                async with turns.expanding[node.number]:
                    if not node.expanded:
                        await expand(tree, node, assignment, collaborators)
                turns.expanding.pop(node.number, None)
            child = select_child(tree, node, assignment.profile)
            if child is not None:
                _enter(path, child)
        if assignment.truth is None:
            async with turns.ending:
                await weigh_answers(tree, path[-1], collaborators.grader)
                _end(tree, path)
        else:
            _end(tree, path)
    finally:
        for node in path:
            node.in_flight -= 1


def _enter(path: list[Node], node: Node) -> None:
    node.in_flight += 1
    path.append(node)


def _end(tree: Tree, path: list[Node]) -> None:
    back_up(path)
    tree.rollouts += 1
