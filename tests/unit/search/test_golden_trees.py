"""Small searches worked out by hand: every visit count, value and order is stated here."""

from __future__ import annotations

import pytest

from db.vocabulary import Outcome, StepKind, TerminalReason, Verdict
from services.errors import SandboxUnavailable
from services.profiles import SearchProfile, Tier
from services.search.grow import grow
from services.search.tree import Tree
from tests.unit.search.factories import (
    ExactGrader,
    FunctionPpm,
    TableExecutor,
    answer,
    assigned,
    assignment,
    code,
    final,
    world,
)

# Two ways to go on from the question: `a` prints the right result, `b` a wrong one.
TWO_WAYS = {
    "<code>": [code("a = 4"), code("b = 5")],
    "a = 4\n<end_of_step>": [final("print(4)")],
    "b = 5\n<end_of_step>": [final("print(5)")],
    "<output>4<end_of_output>\n<answer>": [answer("4")],
    "<output>5<end_of_output>\n<answer>": [answer("5")],
}


def numbers(tree: Tree) -> list[tuple[int, int | None, int, float]]:
    return [(n.number, n.parent, n.visit_count, n.value_sum) for n in tree.nodes]


async def test_the_first_rollout_goes_down_the_first_candidate_to_an_answer() -> None:
    tree = Tree("What is 2 + 2?")
    await grow(tree, assignment(rollouts=1), world(TWO_WAYS))
    # 0 root; 1 a, 2 b; 3 print(4) after a; 4 the answer 4.
    assert numbers(tree) == [
        (0, None, 1, 1.0),
        (1, 0, 1, 1.0),
        (2, 0, 0, 0.0),
        (3, 1, 1, 1.0),
        (4, 3, 1, 1.0),
    ]
    assert tree.nodes[4].terminal_reason is TerminalReason.ANSWER
    assert tree.solved


async def test_terminal_guided_annotation_adds_plus_and_minus_one_on_the_path() -> None:
    tree = Tree("What is 2 + 2?")
    await grow(tree, assignment(rollouts=3), world(TWO_WAYS))
    # Rollout 2 takes b (no visits yet) and is wrong; rollout 3 compares
    # UCT(a) = 1 + 2 sqrt(ln 2 / 1) with UCT(b) = -1 + 2 sqrt(ln 2 / 1) and goes to a again.
    assert numbers(tree) == [
        (0, None, 3, 1.0),
        (1, 0, 2, 2.0),
        (2, 0, 1, -1.0),
        (3, 1, 2, 2.0),
        (4, 3, 2, 2.0),
        (5, 2, 1, -1.0),
        (6, 5, 1, -1.0),
    ]
    assert tree.nodes[1].q_value == 1.0
    assert tree.nodes[2].q_value == -1.0
    assert (tree.nodes[2].leads_to_correct, tree.nodes[2].leads_to_wrong) == (False, True)
    assert tree.root.q_value == pytest.approx(1 / 3)


async def test_ppm_augmented_annotation_starts_from_the_prior_and_prefers_it() -> None:
    tree = Tree("What is 2 + 2?")
    ppm = FunctionPpm(lambda prompt: 0.5 if "b = 5" in prompt else -0.25)
    await grow(tree, assignment(rollouts=2), world(TWO_WAYS, ppm=ppm))
    # Rollout 1 takes b (prior 0.5 against -0.25) and is wrong; rollout 2 takes the unvisited a.
    a, b = tree.nodes[1], tree.nodes[2]
    assert (a.prior, a.visit_count, a.value_sum) == (-0.25, 1, 0.75)
    assert (b.prior, b.visit_count, b.value_sum) == (0.5, 1, -0.5)
    assert a.q_value == 0.375
    assert b.q_value == -0.25
    assert tree.root.prior is None
    assert tree.root.value_sum == 0.0


async def test_a_candidate_that_fails_is_kept_and_never_selected() -> None:
    table = {**TWO_WAYS, "<code>": [code("raise ValueError"), code("a = 4")]}
    tree = Tree("What is 2 + 2?")
    await grow(tree, assignment(rollouts=4), world(table))
    failed = tree.nodes[1]
    assert (failed.outcome, failed.visit_count, failed.children) == (Outcome.RAISED, 0, [])
    assert failed.error == "ValueError: "
    assert tree.nodes[2].visit_count == 4


async def test_an_expansion_without_a_running_child_ends_the_rollout_as_wrong() -> None:
    table = {**TWO_WAYS, "a = 4\n<end_of_step>": [final("raise ValueError")]}
    tree = Tree("What is 2 + 2?")
    await grow(tree, assignment(rollouts=1), world(table))
    assert tree.nodes[1].terminal_reason is TerminalReason.EXECUTION_ERRORS
    assert (tree.nodes[1].visit_count, tree.nodes[1].value_sum) == (1, -1.0)
    assert not tree.solved


async def test_candidates_that_are_no_steps_end_the_rollout_as_unparsable() -> None:
    table = {"<code>": ["endless text without an ending", ""]}
    tree = Tree("What is 2 + 2?")
    await grow(tree, assignment(rollouts=2), world(table))
    assert tree.root.terminal_reason is TerminalReason.UNPARSABLE_STEP
    assert [n.kind for n in tree.nodes[1:]] == [StepKind.UNPARSABLE, StepKind.UNPARSABLE]
    assert (tree.root.visit_count, tree.root.value_sum) == (2, -2.0)


async def test_the_depth_limit_ends_a_rollout_as_wrong() -> None:
    tree = Tree("What is 2 + 2?")
    await grow(tree, assignment(rollouts=1, max_depth=1), world(TWO_WAYS))
    assert tree.nodes[1].terminal_reason is TerminalReason.MAX_DEPTH
    assert tree.nodes[1].reward == -1.0


async def test_an_undecided_answer_is_no_evidence_either_way() -> None:
    tree = Tree("What is 2 + 2?")
    await grow(
        tree,
        assignment(rollouts=1),
        world(TWO_WAYS, grader=ExactGrader(undecided=frozenset({"4"}))),
    )
    leaf = tree.nodes[4]
    assert (leaf.verdict, leaf.reward) == (Verdict.UNDECIDED, 0.0)
    assert not tree.root.leads_to_correct
    assert not tree.root.leads_to_wrong


async def test_an_infrastructure_failure_in_the_middle_leaves_no_trace() -> None:
    undisturbed, tree = Tree("What is 2 + 2?"), Tree("What is 2 + 2?")
    await grow(undisturbed, assignment(rollouts=3), world(TWO_WAYS))
    collaborators = world(TWO_WAYS, executor=TableExecutor(break_at=frozenset({4})))
    with pytest.raises(SandboxUnavailable):
        await grow(tree, assignment(rollouts=3), collaborators)
    assert tree.rollouts == 1
    await grow(tree, assignment(rollouts=3), collaborators)
    assert numbers(tree) == numbers(undisturbed)


async def test_an_unsolved_problem_is_escalated_to_a_tree_of_more_rollouts_and_candidates() -> None:
    table = {**TWO_WAYS, "<code>": [code("b = 5"), code("c = 5"), code("a = 4")]}
    table["c = 5\n<end_of_step>"] = table["b = 5\n<end_of_step>"]
    profile = SearchProfile(rollouts=2, candidates=2, escalation=(Tier(rollouts=4, candidates=3),))
    first, second = Tree("What is 2 + 2?"), Tree("What is 2 + 2?")
    await grow(first, assigned(profile.at_tier(0)), world(table))
    # Tier 0 sees b and c only; each is visited once and is wrong.
    assert numbers(first)[:3] == [(0, None, 2, -2.0), (1, 0, 1, -1.0), (2, 0, 1, -1.0)]
    assert not first.solved
    await grow(second, assigned(profile.at_tier(1)), world(table))
    # Tier 1 also sees a, in rollout 3; rollout 4 goes there again:
    # UCT(a) = 1 + 2 sqrt(ln 3) against -1 + 2 sqrt(ln 3).
    assert numbers(second) == [
        (0, None, 4, 0.0),
        (1, 0, 1, -1.0),
        (2, 0, 1, -1.0),
        (3, 0, 2, 2.0),
        (4, 1, 1, -1.0),
        (5, 4, 1, -1.0),
        (6, 2, 1, -1.0),
        (7, 6, 1, -1.0),
        (8, 3, 2, 2.0),
        (9, 8, 2, 2.0),
    ]
    assert second.solved


async def test_an_infrastructure_failure_in_the_middle_leaves_no_trace_of_priors_either() -> None:
    ppm = FunctionPpm(lambda prompt: 0.5 if "b = 5" in prompt else -0.25)
    undisturbed, tree = Tree("What is 2 + 2?"), Tree("What is 2 + 2?")
    await grow(undisturbed, assignment(rollouts=2), world(TWO_WAYS, ppm=ppm))
    collaborators = world(TWO_WAYS, ppm=ppm, executor=TableExecutor(break_at=frozenset({4})))
    with pytest.raises(SandboxUnavailable):
        await grow(tree, assignment(rollouts=2), collaborators)
    # Rollout 1 went b (2), print(5), the answer 5, and was wrong; a (1) has only its prior.
    assert numbers(tree) == [
        (0, None, 1, -1.0),
        (1, 0, 0, -0.25),
        (2, 0, 1, -0.5),
        (3, 2, 1, -0.5),
        (4, 3, 1, -0.5),
    ]
    assert all(node.in_flight == 0 for node in tree.nodes)
    await grow(tree, assignment(rollouts=2), collaborators)
    assert numbers(tree) == numbers(undisturbed)


async def test_equal_candidates_become_one_child_that_counts_them() -> None:
    table = {**TWO_WAYS, "<code>": [code("a = 4"), code("\na = 4  "), code("b = 5")]}
    tree = Tree("What is 2 + 2?")
    collaborators = world(table)
    await grow(tree, assignment(rollouts=1), collaborators)
    assert [(n.text, n.proposals, n.generated_tokens) for n in tree.nodes[1:3]] == [
        ("a = 4\n<end_of_step>", 2, 20),
        ("b = 5\n<end_of_step>", 1, 10),
    ]


async def test_the_prompt_of_a_node_is_the_solution_so_far() -> None:
    tree = Tree("What is 2 + 2?")
    await grow(tree, assignment(rollouts=1), world(TWO_WAYS))
    assert tree.prompt(tree.nodes[4]) == (
        "<|user|>:\nWhat is 2 + 2?\n"
        "<|assistant|>: Let's think step by step and solve the problem with code.\n<code>\n"
        "a = 4\n<end_of_step>\n"
        "print(4)\n<end_of_code>\n<output>4<end_of_output>\n<answer>"
        "The answer is \\boxed{4}<end_of_answer>"
    )
