"""What holds of every tree, whatever the policy proposes."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Sequence
from dataclasses import dataclass

from hypothesis import given, settings
from hypothesis import strategies as st

from services.profiles import SearchProfile
from services.search.grow import grow
from services.search.protocols import Assignment, Collaborators
from services.search.tree import Tree
from services.steps import Candidate
from tests.unit.search.factories import ExactGrader, TableExecutor, answer, code, final


@dataclass(frozen=True)
class RandomPolicy:
    """Any mixture of good, failing, final and meaningless steps, drawn from the seed."""

    async def propose(
        self, prompt: str, *, count: int, seed: int, affinity: int
    ) -> list[Candidate]:
        dice = random.Random(seed)
        if prompt.endswith("<answer>"):
            texts = [answer(dice.choice("345")) for _ in range(count)]
        else:
            texts = [
                dice.choice(
                    [code(f"x = {dice.randrange(9)}"), final("print(4)"), code("raise"), "noise"]
                )
                for _ in range(count)
            ]
        return [Candidate(text, tokens=1) for text in texts]


@dataclass(frozen=True)
class RandomPpm:
    async def score(self, prompts: Sequence[str]) -> list[float]:
        return [random.Random(prompt).uniform(-1, 1) for prompt in prompts]


def grown(seed: int, *, rollouts: int, candidates: int, with_ppm: bool) -> Tree:
    tree = Tree("What is 2 + 2?")
    profile = SearchProfile(rollouts=rollouts, candidates=candidates, max_depth=6)
    collaborators = Collaborators(
        RandomPolicy(), TableExecutor(), ExactGrader(), RandomPpm() if with_ppm else None
    )
    asyncio.run(grow(tree, Assignment(profile, seed, truth="4", affinity=1), collaborators))
    return tree


searches = given(
    seed=st.integers(0, 2**62),
    rollouts=st.integers(1, 24),
    candidates=st.integers(1, 6),
    with_ppm=st.booleans(),
)


@searches
@settings(max_examples=60, deadline=None)
def test_every_tree_keeps_its_accounts(
    seed: int, rollouts: int, candidates: int, with_ppm: bool
) -> None:
    tree = grown(seed, rollouts=rollouts, candidates=candidates, with_ppm=with_ppm)
    assert tree.root.visit_count == tree.rollouts == rollouts
    for node in tree.nodes:
        below = sum(tree.nodes[child].visit_count for child in node.children)
        own_ends = node.visit_count - below
        assert own_ends >= 0
        assert (own_ends > 0) == (node.terminal_reason is not None and node.visit_count > 0)
        assert abs(node.q_value) <= 1
        if not node.is_viable:
            assert node.visit_count == 0
            assert node.children == []
        if node.parent is not None:
            assert node.parent < node.number
            assert node.depth == tree.nodes[node.parent].depth + 1


@searches
@settings(max_examples=20, deadline=None)
def test_the_same_seed_gives_the_same_tree(
    seed: int, rollouts: int, candidates: int, with_ppm: bool
) -> None:
    one = grown(seed, rollouts=rollouts, candidates=candidates, with_ppm=with_ppm)
    two = grown(seed, rollouts=rollouts, candidates=candidates, with_ppm=with_ppm)
    assert one.nodes == two.nodes
