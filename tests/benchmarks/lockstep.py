"""All trees in lockstep: generate for all, then execute and score for all, then the next depth.

The schedule of rStar-Math's released solver, over the same trees, selection, expansion, policy and
sandbox as the engine: a session a tree, a fork a step. So the schedule alone differs from the
engine's. Nothing is stored. The released solver itself is `tests.benchmarks.released_solver`.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass, field

from services.profiles import SearchProfile
from services.sandbox.base import SandboxProvider, SandboxSession
from services.search.backup import back_up
from services.search.expansion import expand, expansion_seed
from services.search.protocols import Assignment, Collaborators, Grader, Policy
from services.search.selection import select_child
from services.search.tree import Node, Tree
from services.steps import Candidate
from tests.benchmarks.tree_policy import Solved


@dataclass(slots=True)
class Searched:
    """A tree on its way."""

    tree: Tree
    assignment: Assignment
    session: SandboxSession
    path: list[Node] = field(default_factory=list)

    def descend(self) -> bool:
        """Follow the selection to a terminal, or to a node to expand: then True."""
        while self.path[-1].terminal_reason is None:
            node = self.path[-1]
            if not node.expanded:
                return True
            child = select_child(self.tree, node, self.assignment.profile)
            if child is not None:
                self.path.append(child)
        return False


@dataclass(frozen=True, slots=True)
class Ready:
    """A policy that has answered already."""

    candidates: list[Candidate]

    async def propose(self, *_: object, **__: object) -> list[Candidate]:
        return self.candidates


@dataclass(frozen=True, slots=True)
class Grown:
    """How far the trees came."""

    nodes: int
    seconds: float
    cpu_seconds: float
    """Of this process; of the released solver, of its pools too."""

    @property
    def rate(self) -> float:
        return self.nodes / self.seconds


async def grow_in_lockstep(
    problems: Sequence[Solved],
    profile: SearchProfile,
    policy: Policy,
    grader: Grader,
    *,
    sandbox: SandboxProvider,
    seconds: float,
) -> Grown:
    """One tree a problem, until all are grown or the time is up."""
    trees = [
        Searched(
            Tree(problem.question),
            Assignment(profile, seed=number, truth=problem.answer, affinity=number),
            await sandbox.open_session(),
        )
        for number, problem in enumerate(problems)
    ]
    started, cpu = time.monotonic(), time.process_time()
    for _ in range(profile.rollouts):
        for searched in trees:
            searched.path = [searched.tree.root]
        while leaves := [searched for searched in trees if searched.descend()]:
            if time.monotonic() - started > seconds:
                break
            proposed = await asyncio.gather(*(_propose(leaf, policy) for leaf in leaves))
            await asyncio.gather(
                *(
                    _expand(leaf, candidates, grader)
                    for leaf, candidates in zip(leaves, proposed, strict=True)
                )
            )
        if time.monotonic() - started > seconds:
            break
        for searched in trees:
            back_up(searched.path)
            searched.tree.rollouts += 1
    grown = Grown(
        sum(len(searched.tree.nodes) for searched in trees),
        time.monotonic() - started,
        time.process_time() - cpu,
    )
    for searched in trees:
        await searched.session.close()
    return grown


async def _propose(leaf: Searched, policy: Policy) -> list[Candidate]:
    node = leaf.path[-1]
    return await policy.propose(
        leaf.tree.prompt(node),
        count=leaf.assignment.profile.candidates,
        seed=expansion_seed(leaf.assignment.seed, node.number),
        affinity=leaf.assignment.affinity,
    )


async def _expand(leaf: Searched, candidates: list[Candidate], grader: Grader) -> None:
    await expand(
        leaf.tree,
        leaf.path[-1],
        leaf.assignment,
        Collaborators(Ready(candidates), leaf.session, grader),
    )
