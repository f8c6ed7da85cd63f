"""Early stopping: a decided tree gets no more rollouts, an unsolved one gets all of its own."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from services.profiles import EarlyStopping
from services.search.grow import grow
from services.search.stopping import q_deviation, trajectories
from services.search.tree import Tree
from tests.unit.search.factories import answer, assignment, code, final, world

BOTH = {
    "<code>": [code("a = 4"), code("b = 5")],
    "a = 4\n<end_of_step>": [final("print(4)")],
    "b = 5\n<end_of_step>": [final("print(5)")],
    "<output>4<end_of_output>\n<answer>": [answer("4")],
    "<output>5<end_of_output>\n<answer>": [answer("5")],
}
ONLY_RIGHT = {**BOTH, "<code>": [code("a = 4")]}
ONLY_WRONG = {**BOTH, "<code>": [code("b = 5")]}


async def grown(table: dict[str, list[str]], rule: EarlyStopping | None) -> Tree:
    tree = Tree("What is 2 + 2?")
    await grow(tree, assignment(rollouts=16, early_stopping=rule), world(table))
    return tree


async def test_without_the_option_every_rollout_is_run() -> None:
    assert (await grown(BOTH, None)).rollouts == 16


async def test_a_search_stops_with_enough_correct_and_wrong_trajectories() -> None:
    tree = await grown(BOTH, EarlyStopping(min_rollouts=1, correct=1, wrong=1))
    assert tree.rollouts == 2
    assert trajectories(tree) == (1, 1)


async def test_a_search_stops_when_its_q_has_settled() -> None:
    # k = n = 8: the share's posterior is Beta(9, 1), with deviation 0.0905, Q's is twice that.
    tree = await grown(ONLY_RIGHT, EarlyStopping(q_tolerance=0.182))
    assert tree.rollouts == 8
    assert q_deviation(tree) == pytest.approx(0.1809, abs=1e-4)


async def test_an_unsolved_problem_is_never_decided() -> None:
    rule = EarlyStopping(min_rollouts=1, q_tolerance=1.0)
    assert (await grown(ONLY_WRONG, rule)).rollouts == 16


@pytest.mark.parametrize("rule", [{}, {"correct": 1}, {"wrong": 1}])
def test_a_rule_says_when_it_stops(rule: dict[str, int]) -> None:
    with pytest.raises(ValidationError, match=r"go together|give correct"):
        EarlyStopping.model_validate(rule)
