"""Where the released code differs from the paper: each option off and on, on the same tree."""

from __future__ import annotations

from db.vocabulary import Outcome
from services.profiles import SearchProfile
from services.search.grow import grow
from services.search.tree import Tree
from tests.unit.search.factories import answer, assignment, code, final, world

# `a` prints the right result, `b` a wrong one, and its answer comes in two wordings.
TWO_WAYS = {
    "<code>": [code("a = 4"), code("b = 5")],
    "a = 4\n<end_of_step>": [final("print(4)")],
    "b = 5\n<end_of_step>": [final("print(5)")],
    "<output>4<end_of_output>\n<answer>": [answer("4"), "no box<end_of_answer>", answer("5")],
    "<output>5<end_of_output>\n<answer>": [answer("5")],
}


async def grown(*, rollouts: int, table: dict[str, list[str]] = TWO_WAYS, **options: bool) -> Tree:
    tree = Tree("What is 2 + 2?")
    await grow(tree, assignment(rollouts=rollouts, deviations=options), world(table))
    return tree


def test_none_of_them_is_on_unless_it_is_named() -> None:
    deviations = SearchProfile(rollouts=1, candidates=1).deviations
    assert not any(deviations.model_dump().values())


async def test_an_unvisited_child_is_tried_first_or_competes_without_a_bonus() -> None:
    paper = await grown(rollouts=2)
    released = await grown(rollouts=2, unvisited_without_bonus=True)
    # After rollout 1, UCT(a) = 1 + 2 sqrt(ln 1 / 1) = 1, and b has no visits: infinite in the
    # paper, 0 in the released code.
    assert [node.visit_count for node in paper.nodes[:3]] == [2, 1, 1]
    assert [node.visit_count for node in released.nodes[:3]] == [2, 2, 0]


async def test_an_answer_keeps_its_siblings_or_discards_them() -> None:
    paper = await grown(rollouts=1)
    released = await grown(rollouts=1, answer_discards_siblings=True)
    below = [paper.nodes[k].answer or "unparsable" for k in paper.nodes[3].children]
    assert below == ["4", "unparsable", "5"]
    (only,) = (released.nodes[k] for k in released.nodes[3].children)
    assert only.answer == "4"
    # What was generated was paid for, discarded or not.
    assert only.generated_tokens == 30
    assert released.generated_tokens == paper.generated_tokens


async def test_a_step_that_prints_the_word_error_ran_or_failed() -> None:
    table = {
        **TWO_WAYS,
        "a = 4\n<end_of_step>": [final("print(Relative error 0)")],
        "0<end_of_output>\n<answer>": [answer("4")],
    }
    paper = await grown(rollouts=1, table=table)
    released = await grown(rollouts=1, table=table, error_in_output_fails=True)
    assert paper.solved
    failed = released.nodes[3]
    assert (failed.outcome, failed.visit_count) == (Outcome.RAISED, 0)
    assert failed.error == "the output holds the word 'error'"
    assert not released.solved
