"""All trees in lockstep: generate for all, then execute and score for all, then the next depth.

The schedule of rStar-Math's released solver, over the same trees, selection, expansion and policy
as the engine. Two ways of executing:

- `in_sandbox`: in the engine's own sandbox, with a session a tree and a fork a step. The schedule
  alone differs from the engine's.
- `in_pool`: as the released solver does. For each depth a fresh pool of 12 processes; each tree
  goes to a process and comes back, which runs the concatenated code of each candidate within
  itself, without any isolation.

Neither stores anything.
"""

from __future__ import annotations

import asyncio
import contextlib
import io
import multiprocessing
import time
from collections.abc import Sequence
from dataclasses import dataclass, field

from db.vocabulary import Outcome
from services.grading.fake import ExactGrader
from services.profiles import SearchProfile
from services.sandbox.base import SandboxProvider
from services.search.backup import back_up
from services.search.expansion import expand, expansion_seed
from services.search.protocols import Assignment, Collaborators, Grader, Policy, StepExecutor
from services.search.selection import select_child
from services.search.tree import Node, Tree
from services.steps import Candidate, parse_step
from tests.benchmarks.tree_policy import Ran, Solved

POOL_PROCESSES = 12
"""As the released solver has."""


@dataclass(slots=True)
class Searched:
    """A tree on its way."""

    tree: Tree
    assignment: Assignment
    executor: StepExecutor | None
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
class InProcess:
    """Runs the concatenated code up to a step in this very process."""

    prefix: str

    async def execute(self, code: str, *, parent: int) -> tuple[int, Ran]:
        shown = io.StringIO()
        try:
            with contextlib.redirect_stdout(shown):
                exec(compile(f"{self.prefix}\n{code}", "<step>", "exec"), {})
        except Exception as error:
            return 0, Ran(Outcome.RAISED, "", type(error).__name__, str(error))
        return 1, Ran(Outcome.OK, shown.getvalue().strip())


@dataclass(frozen=True, slots=True)
class Grown:
    """How far the trees came."""

    nodes: int
    seconds: float
    cpu_seconds: float
    """Of this process."""

    @property
    def rate(self) -> float:
        return self.nodes / self.seconds


async def grow_in_lockstep(
    problems: Sequence[Solved],
    profile: SearchProfile,
    policy: Policy,
    grader: Grader,
    *,
    sandbox: SandboxProvider | None,
    seconds: float,
) -> Grown:
    """One tree a problem, until all are grown or the time is up. No sandbox: in a pool."""
    trees = [
        Searched(
            Tree(problem.question),
            Assignment(profile, seed=number, truth=problem.answer, affinity=number),
            await sandbox.open_session() if sandbox else None,
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
            if sandbox:
                await asyncio.gather(
                    *(
                        _expand(leaf, candidates, leaf.executor, grader)
                        for leaf, candidates in zip(leaves, proposed, strict=True)
                    )
                )
            else:
                _expand_in_pool(leaves, proposed)
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
        if searched.executor is not None:
            await searched.executor.close()
    return grown


async def _propose(leaf: Searched, policy: Policy) -> list[Candidate]:
    node = leaf.path[-1]
    return await policy.propose(
        leaf.tree.prompt(node),
        count=leaf.assignment.profile.candidates,
        seed=expansion_seed(leaf.assignment.seed, node.number),
        affinity=leaf.assignment.affinity,
    )


async def _expand(
    leaf: Searched, candidates: list[Candidate], executor: StepExecutor, grader: Grader
) -> None:
    await expand(
        leaf.tree,
        leaf.path[-1],
        leaf.assignment,
        Collaborators(Ready(candidates), executor, grader),
    )


def _expand_in_pool(leaves: Sequence[Searched], proposed: Sequence[list[Candidate]]) -> None:
    """Send every tree to a process and take it back."""
    jobs = [
        (leaf.tree, leaf.path[-1].number, leaf.assignment, candidates)
        for leaf, candidates in zip(leaves, proposed, strict=True)
    ]
    with multiprocessing.get_context("fork").Pool(POOL_PROCESSES) as pool:
        trees = pool.starmap(_expand_here, jobs, chunksize=1)
    for leaf, tree in zip(leaves, trees, strict=True):
        leaf.tree = tree
        leaf.path = [tree.nodes[node.number] for node in leaf.path]


def _expand_here(
    tree: Tree, number: int, assignment: Assignment, candidates: list[Candidate]
) -> Tree:
    node = tree.nodes[number]
    prefix, kind = [], tree.root.kind
    for step in tree.path(node)[1:]:
        prefix.append(parse_step(step.text, after=kind).code)
        kind = step.kind
    leaf = Searched(tree, assignment, None, [node])
    asyncio.run(_expand(leaf, candidates, InProcess("\n".join(prefix)), ExactGrader()))
    return tree
