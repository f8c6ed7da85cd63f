"""Which part of a trajectory is given away, in code and in words."""

from __future__ import annotations

import pytest

from db.records.trees import PathStep
from db.vocabulary import StepKind
from services.consistency.prefix import draw_prefix, reasoning_steps, tree_of
from services.steps import in_words


def code_trajectory(steps: int) -> list[PathStep]:
    return [
        *(PathStep(StepKind.CODE, f"x{k} = {k}\n<end_of_step>", "") for k in range(steps)),
        PathStep(StepKind.FINAL_CODE, "print(x0)\n<end_of_code>", "0"),
        PathStep(StepKind.ANSWER, "It is \\boxed{0}<end_of_answer>", ""),
    ]


WORDS = [
    PathStep(StepKind.REPHRASED, "Asked: 2 + 2?\n<end_of_step>", ""),
    PathStep(StepKind.ANSWER, "First 2.\nThen 2 more.\nSo \\boxed{4}<end_of_answer>", ""),
]


@pytest.mark.parametrize("steps", [1, 2, 5, 20])
def test_a_fifth_to_four_fifths_of_the_steps_are_given_and_never_the_final_code(
    steps: int,
) -> None:
    given = set()
    for seed in range(200):
        prefix = draw_prefix(code_trajectory(steps), seed=seed)
        assert 0.2 <= prefix.share <= 0.8
        assert prefix.of_steps == steps + 1
        assert all(step.kind is StepKind.CODE for step in prefix.steps)
        given.add(len(prefix.steps))
    assert min(given) == max(1, round(0.2 * (steps + 1)))
    assert max(given) == min(steps, round(0.8 * (steps + 1)))


def test_of_a_single_step_nothing_is_given() -> None:
    prefix = draw_prefix(code_trajectory(0), seed=1)
    assert (prefix.steps, prefix.of_steps) == ((), 1)


def test_a_seed_gives_the_same_part_again() -> None:
    assert draw_prefix(code_trajectory(9), seed=5) == draw_prefix(code_trajectory(9), seed=5)


def test_the_lines_of_an_answer_in_words_are_steps() -> None:
    assert [step.text.splitlines()[0] for step in reasoning_steps(WORDS)] == [
        "Asked: 2 + 2?",
        "First 2.",
        "Then 2 more.",
        "So \\boxed{4}",
    ]
    assert in_words(step.kind for step in WORDS)
    assert not in_words(step.kind for step in code_trajectory(1))
    assert max(len(draw_prefix(WORDS, seed=seed).steps) for seed in range(100)) == 3


def test_the_tree_of_a_prefix_goes_on_from_its_last_step() -> None:
    prefix = draw_prefix(code_trajectory(3), seed=2)
    tree = tree_of("What?", prefix)
    assert [node.expanded for node in tree.nodes] == [True] * len(prefix.steps) + [False]
    assert tree.prompt(tree.nodes[-1]).endswith(prefix.steps[-1].text + "\n")
