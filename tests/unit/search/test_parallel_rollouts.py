"""Rollouts at a time in one tree: they spread, nothing is run twice, and no loss is left behind."""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.errors import PolicyUnavailable
from services.profiles import SearchProfile
from services.search.grow import grow
from services.search.protocols import Assignment, Collaborators
from services.search.selection import q_with_virtual_loss
from services.search.tree import Node, Tree
from services.steps import Candidate
from tests.unit.search.factories import ExactGrader, TableExecutor, assignment, world
from tests.unit.search.test_golden_trees import TWO_WAYS
from tests.unit.search.test_properties import RandomPolicy, RandomPpm


@dataclass
class DawdlingPolicy:
    """Answers after a number of turns of the loop that is drawn anew; breaks at the given calls."""

    dice: random.Random
    break_at: frozenset[int] = frozenset()
    prompts: Counter[str] = field(default_factory=Counter)
    inner: RandomPolicy = field(default_factory=RandomPolicy)

    async def propose(
        self, prompt: str, *, count: int, seed: int, affinity: int
    ) -> Sequence[Candidate]:
        self.prompts[prompt] += 1
        for _ in range(self.dice.randrange(5)):
            await asyncio.sleep(0)
        if self.prompts.total() in self.break_at:
            raise PolicyUnavailable("the policy is gone")
        return await self.inner.propose(prompt, count=count, seed=seed, affinity=affinity)


def accounts_hold(tree: Tree) -> None:
    assert tree.root.visit_count == tree.rollouts
    for node in tree.nodes:
        children = [tree.nodes[number] for number in node.children]
        ends = node.visit_count - sum(child.visit_count for child in children)
        assert ends >= 0
        assert ends == 0 or node.reward is not None
        below = sum(child.value_sum - (child.prior or 0) for child in children)
        own = node.value_sum - (node.prior or 0)
        assert own == pytest.approx(below + ends * (node.reward or 0))
        assert node.in_flight == 0
        assert tree.nodes[node.number] is node
        assert node.parent is None or node.parent < node.number
        if not node.is_viable:
            assert node.visit_count == 0


def search(parallel: int, policy: DawdlingPolicy, *, with_ppm: bool = False) -> Tree:
    tree = Tree("What is 2 + 2?")
    profile = SearchProfile(rollouts=24, candidates=4, max_depth=6, parallel_rollouts=parallel)
    ppm = RandomPpm() if with_ppm else None
    collaborators = Collaborators(policy, TableExecutor(), ExactGrader(), ppm)

    async def insist() -> None:
        while tree.rollouts < profile.rollouts:
            try:
                await grow(tree, Assignment(profile, 7, "4", affinity=1), collaborators)
            except PolicyUnavailable:
                accounts_hold(tree)

    asyncio.run(insist())
    return tree


@given(
    seed=st.integers(0, 2**32),
    parallel=st.integers(2, 8),
    with_ppm=st.booleans(),
    break_at=st.frozensets(st.integers(1, 30), max_size=3),
)
@settings(max_examples=60, deadline=None)
def test_the_accounts_are_exact_whoever_comes_first(
    seed: int, parallel: int, with_ppm: bool, break_at: frozenset[int]
) -> None:
    policy = DawdlingPolicy(random.Random(seed), break_at)
    tree = search(parallel, policy, with_ppm=with_ppm)
    assert tree.rollouts == 24
    accounts_hold(tree)


@given(seed=st.integers(0, 2**32), parallel=st.integers(2, 8))
@settings(max_examples=30, deadline=None)
def test_no_node_is_expanded_twice(seed: int, parallel: int) -> None:
    policy = DawdlingPolicy(random.Random(seed))
    tree = search(parallel, policy)
    expanded = Counter(tree.prompt(node) for node in tree.nodes if node.expanded)
    assert policy.prompts == expanded


@given(seed=st.integers(0, 2**32))
@settings(max_examples=20, deadline=None)
def test_one_rollout_at_a_time_gives_the_same_tree_whatever_the_timing(seed: int) -> None:
    one = search(1, DawdlingPolicy(random.Random(seed)))
    two = search(1, DawdlingPolicy(random.Random(seed + 1)))
    assert one.nodes == two.nodes


async def test_two_rollouts_at_a_time_take_the_two_ways() -> None:
    tree = Tree("What is 2 + 2?")
    await grow(tree, assignment(rollouts=2, parallel_rollouts=2), world(TWO_WAYS))
    visited = {node.text: node.visit_count for node in tree.nodes[1:3]}
    assert visited == {"a = 4\n<end_of_step>": 1, "b = 5\n<end_of_step>": 1}
    accounts_hold(tree)


def test_a_rollout_in_flight_counts_as_a_loss_until_it_is_taken_back() -> None:
    tree = Tree("What is 2 + 2?")
    asyncio.run(grow(tree, assignment(rollouts=3), world(TWO_WAYS)))
    a = tree.nodes[1]
    assert (a.visit_count, a.value_sum) == (2, 2.0)
    assert q_during(a, in_flight=1) == pytest.approx(1 / 3)
    assert q_during(a, in_flight=0) == a.q_value == 1.0


def q_during(node: Node, *, in_flight: int) -> float:
    node.in_flight = in_flight
    return q_with_virtual_loss(node)
