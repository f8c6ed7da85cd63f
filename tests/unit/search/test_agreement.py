"""Searches without a ground truth, worked out by hand: answers are worth their agreement."""

from __future__ import annotations

import pytest

from db.vocabulary import TerminalReason
from services.errors import GraderUnavailable
from services.profiles import SearchProfile
from services.search.agreement import reward_of
from services.search.grow import grow
from services.search.protocols import Assignment
from services.search.tree import Node, Tree
from tests.unit.search.factories import ExactGrader, answer, code, final, world

# Three ways to go on; two of them come to 4. The fourth does not run.
FOUR_WAYS = {
    "<code>": [code("a = 4"), code("b = 5"), code("c = 4"), code("raise ValueError")],
    "a = 4\n<end_of_step>": [final("print(4)")],
    "b = 5\n<end_of_step>": [final("print(5)")],
    "c = 4\n<end_of_step>": [final("print( 4)")],
    "<output>4<end_of_output>\n<answer>": [answer("4")],
    "<output> 4<end_of_output>\n<answer>": [answer("4")],
    "<output>5<end_of_output>\n<answer>": [answer("5")],
}


def open_assignment(*, rollouts: int) -> Assignment:
    profile = SearchProfile(rollouts=rollouts, candidates=8)
    return Assignment(profile=profile, seed=7, truth=None, affinity=1)


async def grown(rollouts: int, *, grader: ExactGrader | None = None) -> Tree:
    tree = Tree("What is 2 + 2?")
    await grow(tree, open_assignment(rollouts=rollouts), world(FOUR_WAYS, grader=grader))
    return tree


def ends(tree: Tree) -> list[Node]:
    return [n for n in tree.nodes if n.terminal_reason is TerminalReason.ANSWER and n.visit_count]


async def test_the_first_answer_agrees_with_itself() -> None:
    tree = await grown(1)
    assert [(n.answer, n.reward) for n in ends(tree)] == [("4", 1.0)]
    assert tree.root.value_sum == 1.0


async def test_two_different_answers_are_worth_nothing_each() -> None:
    tree = await grown(2)
    # Each has half of the votes: 2 x 1/2 - 1 = 0.
    assert [(n.answer, n.reward) for n in ends(tree)] == [("4", 0.0), ("5", 0.0)]
    assert [n.value_sum for n in tree.nodes] == [0.0] * len(tree.nodes)


async def test_a_third_answer_moves_the_rewards_of_the_first_two() -> None:
    tree = await grown(3)
    # 4 has two of three votes, 5 one: 2 x 2/3 - 1 = 1/3 and 2 x 1/3 - 1 = -1/3.
    a, b, c, failed = (tree.nodes[number] for number in tree.root.children)
    assert [n.reward for n in ends(tree)] == pytest.approx([1 / 3, -1 / 3, 1 / 3])
    assert a.value_sum == pytest.approx(1 / 3)
    assert b.value_sum == pytest.approx(-1 / 3)
    assert c.value_sum == pytest.approx(1 / 3)
    assert failed.visit_count == 0
    assert tree.root.value_sum == pytest.approx(1 / 3)
    assert tree.root.visit_count == 3


async def test_a_step_that_was_proposed_more_often_weighs_more() -> None:
    table = {**FOUR_WAYS, "<code>": [code("a = 4"), code("b = 5"), code("a = 4"), code("a = 4")]}
    tree = Tree("What is 2 + 2?")
    await grow(tree, open_assignment(rollouts=2), world(table))
    # 4 has three of the four candidates: 2 x 3/4 - 1 = 1/2 and 2 x 1/4 - 1 = -1/2.
    assert [(n.answer, n.reward) for n in ends(tree)] == [("4", 0.5), ("5", -0.5)]
    assert tree.root.value_sum == 0.0


async def test_an_answer_gains_no_vote_by_being_reached_again() -> None:
    tree = await grown(12)
    assert {round(n.reward or 0, 6) for n in ends(tree)} == {0.333333, -0.333333}
    assert sum(n.visit_count for n in ends(tree)) == 12
    for node in tree.nodes:
        assert abs(node.q_value) <= 1
    expected = sum(n.visit_count * (n.reward or 0) for n in ends(tree))
    assert tree.root.value_sum == pytest.approx(expected)


async def test_nothing_is_labelled_right_or_wrong() -> None:
    tree = await grown(6)
    assert not tree.solved
    assert not any(n.leads_to_correct or n.leads_to_wrong for n in tree.nodes)
    assert all(n.verdict is None for n in tree.nodes)


async def test_an_answer_that_cannot_be_compared_agrees_with_nobody() -> None:
    tree = await grown(3, grader=ExactGrader(undecided=frozenset({"4"})))
    assert [n.reward for n in ends(tree)] == pytest.approx([-1 / 3] * 3)


async def test_a_grader_that_fails_leaves_rewards_and_visits_as_they_were() -> None:
    class BrokenGrader(ExactGrader):
        async def grade(self, answer: str, *, truth: str) -> object:
            raise GraderUnavailable("the grader is gone")

    tree = await grown(1)
    before = [(n.visit_count, n.value_sum, n.reward) for n in tree.nodes]
    with pytest.raises(GraderUnavailable):
        await grow(tree, open_assignment(rollouts=2), world(FOUR_WAYS, grader=BrokenGrader()))
    assert [(n.visit_count, n.value_sum, n.reward) for n in tree.nodes[: len(before)]] == before
    assert tree.rollouts == 1


async def test_a_tree_read_from_storage_votes_on() -> None:
    whole, resumed = await grown(3), await grown(2)
    for node in resumed.nodes:
        node.agrees_with = None
    await grow(resumed, open_assignment(rollouts=3), world(FOUR_WAYS))
    assert [n.reward for n in resumed.nodes] == [n.reward for n in whole.nodes]


def test_a_reward_states_its_confidence() -> None:
    assert [reward_of(c) for c in (0.0, 0.5, 1.0)] == [-1.0, 0.0, 1.0]
