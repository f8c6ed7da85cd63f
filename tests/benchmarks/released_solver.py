"""How rStar-Math's released code searches: its schedule and its representation, with their costs.

Written after `solver.py` of its repository, for data generation without a value model. Trees go in
lockstep. For each depth the policy is asked for all trees and awaited; then a fresh pebble pool of
12 processes gets every tree, pickled whole with its candidates, and gives it back. There every
candidate becomes a pydantic node, and the program of its whole trajectory is parsed, written out
again and executed in the process itself, under two alarms. A tree whose node has children goes one
node down instead. After each rollout all trees are appended to a file as JSON.

Made cheaper here, or left out where it is not clear: the configuration is a frozen dataclass, not
OmegaConf; candidates are text without token ids; roots are taken by `math`, not NumPy; programs are
not cleaned by regular expressions first; output is not labelled with its print call; no progress
bars, messages or evaluation of intermediate metrics; no pool where no tree has a step to run;
answers are compared as `PlainGrader` does, where the released code puts every answer that is not
the same text through several parsers of LaTeX, in both orders. A step that fails ends its branch at
once, and every candidate after the final code counts as a node. The form of the prompt is this
project's, so that the server is the same.
"""

from __future__ import annotations

import asyncio
import json
import multiprocessing
import resource
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from pebble import ProcessPool

from services.profiles import SearchProfile
from services.search.expansion import expansion_seed
from services.search.protocols import Policy
from services.steps import Candidate
from tests.benchmarks.lockstep import Grown
from tests.benchmarks.released_python import TIMEOUT_SECONDS
from tests.benchmarks.released_tree import SolverConfig, SolverTree
from tests.benchmarks.tree_policy import Solved

POOL_PROCESSES = 12


async def solve(
    problems: Sequence[Solved], profile: SearchProfile, policy: Policy, *, seconds: float
) -> Grown:
    """One tree a problem, until all are grown or, at the end of a depth, the time is up."""
    config = SolverConfig(profile.max_depth, profile.exploration)
    trees = [
        SolverTree(config=config, number=number, question=one.question, ground_truth=one.answer)
        for number, one in enumerate(problems)
    ]
    started, cpu = time.monotonic(), _cpu_seconds()
    with tempfile.TemporaryDirectory() as folder:
        for rollout in range(profile.rollouts):
            for tree in trees:
                tree.select_next_step(from_root=True)
                tree.rollout = rollout
            for _ in range(profile.max_depth):
                if time.monotonic() - started > seconds or not any(
                    tree.open_node for tree in trees
                ):
                    break
                trees = await _one_depth(trees, policy, profile.candidates)
            if time.monotonic() - started > seconds:
                break
            _save(Path(folder) / f"rollout{rollout:02}.jsonl", trees)
    wall, cpu = time.monotonic() - started, _cpu_seconds() - cpu
    return Grown(sum(1 for tree in trees for _ in tree.nodes()), wall, cpu)


async def _one_depth(trees: list[SolverTree], policy: Policy, count: int) -> list[SolverTree]:
    ended = [tree for tree in trees if tree.open_node is None]
    leaves: list[SolverTree] = []
    expanded: list[SolverTree] = []
    for tree in trees:
        if (node := tree.open_node) is not None:
            (expanded if node.children else leaves).append(tree)
    proposed = await asyncio.gather(*(_propose(leaf, policy, count) for leaf in leaves))
    leaves = _in_pool(leaves, proposed) if leaves else []
    for tree in (*leaves, *expanded):
        tree.select_next_step()
    return leaves + ended + expanded


async def _propose(tree: SolverTree, policy: Policy, count: int) -> list[Candidate]:
    node = tree.current_nodes[0]
    seed = expansion_seed(tree.number, 0, node.tag)
    return await policy.propose(tree.prompt(node), count=count, seed=seed, affinity=tree.number)


def _in_pool(trees: list[SolverTree], proposed: Sequence[list[Candidate]]) -> list[SolverTree]:
    # Forked, as it was when the solver was released; nothing else of this process runs meanwhile.
    context = multiprocessing.get_context("fork")
    with ProcessPool(max_workers=POOL_PROCESSES, context=context) as pool:
        given_back = pool.map(_grown, trees, proposed, timeout=TIMEOUT_SECONDS).result()
    grown = []
    for tree in trees:
        try:
            grown.append(next(given_back))
        except Exception:
            grown.append(tree)
    return grown


def _grown(tree: SolverTree, candidates: Sequence[Candidate]) -> SolverTree:
    tree.generate_next_step(candidates)
    return tree


def _save(path: Path, trees: Sequence[SolverTree]) -> None:
    states = {tree.number: tree.states() for tree in trees}
    with path.open("a+", encoding="utf-8") as file:
        for tree in trees:
            entry = {
                "question": tree.question,
                "answer": tree.ground_truth,
                "rstar": states[tree.number],
            }
            file.write(json.dumps(entry, ensure_ascii=False) + "\n")
            file.flush()


def _cpu_seconds() -> float:
    """Of this process and of its children that have ended."""
    uses = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(use.ru_utime + use.ru_stime for use in uses)
