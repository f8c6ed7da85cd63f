"""Labels from recorded trees: the recorded ones come out again, others follow from the record."""

from __future__ import annotations

import asyncio

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from db.vocabulary import Verdict
from services.profiles import SearchProfile
from services.relabelling.choices import NO_PPM
from services.relabelling.relabel import Labeller, relabel_tree
from services.relabelling.replay import reselect, restate
from services.relabelling.spec import Relabelling, Rewards
from services.rollouts.results import record_of, tree_of
from services.search.grow import grow
from services.search.protocols import Assignment, Collaborators
from services.search.tree import Tree
from tests.unit.search.factories import ExactGrader, FunctionPpm, TableExecutor, assignment, world
from tests.unit.search.test_golden_trees import TWO_WAYS, numbers
from tests.unit.search.test_properties import RandomPolicy, RandomPpm


def recorded(seed: int, *, rollouts: int, with_ppm: bool, c: float = 2.0) -> Tree:
    """A tree as it comes back from storage."""
    tree = Tree("What is 2 + 2?")
    profile = SearchProfile(rollouts=rollouts, candidates=4, max_depth=6, exploration=c)
    collaborators = Collaborators(
        RandomPolicy(), TableExecutor(), ExactGrader(), RandomPpm() if with_ppm else None
    )
    asyncio.run(grow(tree, Assignment(profile, seed, truth="4", affinity=1), collaborators))
    return stored(tree)


def stored(tree: Tree) -> Tree:
    return tree_of(tree.question, [record_of(n) for n in tree.nodes], rollouts=tree.rollouts)


def relabelled(tree: Tree, spec: Relabelling, labeller: Labeller | None = None) -> Tree:
    profile = SearchProfile(rollouts=24, candidates=4)
    made = asyncio.run(relabel_tree(tree, spec, labeller or Labeller(), truth="4", profile=profile))
    assert made == tree.rollouts
    return tree


def same_labels(one: Tree, other: Tree) -> None:
    assert [(n.visit_count, n.leads_to_correct, n.leads_to_wrong, n.reward) for n in one.nodes] == [
        (n.visit_count, n.leads_to_correct, n.leads_to_wrong, n.reward) for n in other.nodes
    ]
    assert [n.value_sum for n in one.nodes] == pytest.approx([n.value_sum for n in other.nodes])


trees = given(seed=st.integers(0, 2**62), rollouts=st.integers(1, 24), with_ppm=st.booleans())


@trees
@settings(max_examples=40, deadline=None)
def test_values_follow_from_visits_exactly(seed: int, rollouts: int, with_ppm: bool) -> None:
    tree = recorded(seed, rollouts=rollouts, with_ppm=with_ppm)
    same_labels(relabelled(stored(tree), Relabelling()), tree)


@trees
@settings(max_examples=40, deadline=None)
def test_under_the_recorded_c_every_rollout_is_made_again(
    seed: int, rollouts: int, with_ppm: bool
) -> None:
    tree = recorded(seed, rollouts=rollouts, with_ppm=with_ppm)
    again = relabelled(stored(tree), Relabelling(exploration=2.0))
    assert again.rollouts == rollouts
    same_labels(again, tree)


@given(seed=st.integers(0, 2**62), c=st.floats(0, 8))
@settings(max_examples=40, deadline=None)
def test_under_another_c_the_accounts_hold_and_the_record_is_not_left(seed: int, c: float) -> None:
    tree = relabelled(recorded(seed, rollouts=16, with_ppm=False), Relabelling(exploration=c))
    assert tree.root.visit_count == tree.rollouts <= 16
    for node in tree.nodes:
        below = sum(tree.nodes[child].visit_count for child in node.children)
        assert node.visit_count == below or node.reward is not None
        assert abs(node.q_value) <= 1


async def test_a_larger_c_comes_back_to_what_was_wrong() -> None:
    tree = Tree("What is 2 + 2?")
    await grow(tree, assignment(rollouts=8), world(TWO_WAYS))
    assert [(n, v) for n, _, v, _ in numbers(tree)[:3]] == [(0, 8), (1, 7), (2, 1)]
    curious = stored(tree)
    assert reselect(curious, SearchProfile(rollouts=8, candidates=8, exploration=10.0)) == 8
    restate(curious)
    # Rollouts 1 a, 2 b, then b's Q of -1 is made up for as soon as it is behind:
    # UCT(a) = 1 + 10 sqrt(ln 3 / 2) = 8.4 against -1 + 10 sqrt(ln 3) = 9.5 in rollout 4.
    assert [(n, v) for n, _, v, _ in numbers(curious)[:3]] == [(0, 8), (1, 5), (2, 3)]
    assert curious.root.value_sum == 2.0


async def test_a_rollout_that_would_leave_the_record_ends_the_replay() -> None:
    tree = Tree("What is 2 + 2?")
    await grow(tree, assignment(rollouts=1), world(TWO_WAYS))
    # Rollout 1 went to a; b was never expanded. Under a prior for b, rollout 1 would go there.
    other = stored(tree)
    other.nodes[2].prior = 0.5
    assert reselect(other, SearchProfile(rollouts=1, candidates=8)) == 0


async def test_another_grader_changes_verdicts_rewards_values_and_flags() -> None:
    tree = Tree("What is 2 + 2?")
    await grow(tree, assignment(rollouts=3), world(TWO_WAYS))
    again = stored(tree)
    spec, grader = Relabelling(), ExactGrader()
    assert await relabel_tree(
        again, spec, Labeller(grader), truth="5", profile=SearchProfile(rollouts=3, candidates=8)
    )
    # The visits stay (a twice, b once); what was right is wrong now.
    assert [(v, s) for _, _, v, s in numbers(again)] == [
        (3, -1.0), (2, -2.0), (1, 1.0), (2, -2.0), (2, -2.0), (1, 1.0), (1, 1.0),
    ]  # fmt: skip
    assert (again.nodes[4].verdict, again.nodes[6].verdict) == (Verdict.DIFFERENT, Verdict.EQUAL)
    assert (again.nodes[1].leads_to_correct, again.nodes[1].leads_to_wrong) == (False, True)
    assert again.solved


async def test_another_reward_scheme_changes_values_and_no_verdict() -> None:
    tree = Tree("What is 2 + 2?")
    await grow(tree, assignment(rollouts=3), world(TWO_WAYS))
    spec = Relabelling(rewards=Rewards(wrong=0.0, no_answer=0.0))
    again = stored(tree)
    await relabel_tree(
        again, spec, Labeller(), truth="4", profile=SearchProfile(rollouts=3, candidates=8)
    )
    assert (again.root.value_sum, again.nodes[2].value_sum) == (2.0, 0.0)
    assert again.nodes[2].leads_to_wrong


async def test_another_ppm_changes_the_priors_and_none_takes_them_away() -> None:
    tree = Tree("What is 2 + 2?")
    old = FunctionPpm(lambda prompt: 0.5 if "b = 5" in prompt else -0.25)
    await grow(tree, assignment(rollouts=2), world(TWO_WAYS, ppm=old))
    profile = SearchProfile(rollouts=2, candidates=8)
    again, bare = stored(tree), stored(tree)
    labeller = Labeller(value=FunctionPpm(lambda _: 0.75))
    await relabel_tree(again, Relabelling(ppm="1"), labeller, truth="4", profile=profile)
    assert [(n.prior, n.value_sum) for n in again.nodes[:3]] == [
        (None, 0),
        (0.75, 1.75),
        (0.75, -0.25),
    ]
    await relabel_tree(bare, Relabelling(ppm=NO_PPM), Labeller(), truth="4", profile=profile)
    assert [(n.prior, n.value_sum) for n in bare.nodes[:3]] == [(None, 0), (None, 1), (None, -1)]


async def test_an_answer_without_a_truth_keeps_its_agreement_and_cannot_change_c() -> None:
    tree = Tree("What is 2 + 2?")
    open_assignment = Assignment(SearchProfile(rollouts=3, candidates=8), 7, None, affinity=1)
    await grow(tree, open_assignment, world(TWO_WAYS))
    again = stored(tree)
    profile = SearchProfile(rollouts=3, candidates=8)
    kept = await relabel_tree(again, Relabelling(), Labeller(), truth=None, profile=profile)
    assert kept == 3
    same_labels(again, stored(tree))
    spec = Relabelling(exploration=1.0)
    assert await relabel_tree(again, spec, Labeller(), truth=None, profile=profile) == 0


def test_a_correct_answer_must_be_worth_most() -> None:
    with pytest.raises(ValidationError, match="worth more than any other"):
        Rewards(correct=0.0, undecided=0.0)
