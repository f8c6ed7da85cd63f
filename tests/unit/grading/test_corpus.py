"""The grader on the corpus: nothing unlike is ever called equal."""

from __future__ import annotations

from collections import Counter

import pytest

from db.vocabulary import Verdict
from services.grading.equivalence import grade, is_gradable
from tests.unit.grading.corpus import Pair, pairs

LARGEST_SHARE = 0.01
"""Of the equal pairs that may be called different, and of all that may stay undecided."""


@pytest.fixture(scope="module")
def graded() -> list[tuple[Pair, Verdict]]:
    return [(pair, verdict_on(pair)) for pair in pairs()]


def verdict_on(pair: Pair) -> Verdict:
    """As the grader's process gives it, where whatever raises is undecided."""
    try:
        return grade(pair.answer, pair.truth)
    except Exception:
        return Verdict.UNDECIDED


def test_the_corpus_is_large_and_says_no_often_enough() -> None:
    verdicts = Counter(pair.verdict for pair in pairs())
    assert verdicts.total() >= 600
    assert set(verdicts) == {Verdict.EQUAL, Verdict.DIFFERENT}
    assert verdicts[Verdict.DIFFERENT] >= verdicts.total() / 3
    assert sum(pair.is_held_out for pair in pairs()) >= verdicts.total() / 3
    assert len({(pair.answer, pair.truth) for pair in pairs()}) == verdicts.total()


def test_no_unlike_pair_is_equal(graded: list[tuple[Pair, Verdict]]) -> None:
    wrong = [
        (pair.answer, pair.truth)
        for pair, verdict in graded
        if pair.verdict is Verdict.DIFFERENT and verdict is Verdict.EQUAL
    ]
    assert wrong == []


@pytest.mark.parametrize("is_held_out", [True, False])
def test_hardly_any_equal_pair_is_different_or_undecided(
    graded: list[tuple[Pair, Verdict]], is_held_out: bool
) -> None:
    of_part = [(pair, verdict) for pair, verdict in graded if pair.is_held_out is is_held_out]
    different = [
        (pair.answer, pair.truth)
        for pair, verdict in of_part
        if pair.verdict is Verdict.EQUAL and verdict is Verdict.DIFFERENT
    ]
    undecided = [
        (pair.answer, pair.truth) for pair, verdict in of_part if verdict is Verdict.UNDECIDED
    ]
    assert len(different) < LARGEST_SHARE * len(of_part), different
    assert len(undecided) < LARGEST_SHARE * len(of_part), undecided


def test_every_truth_of_the_corpus_can_be_graded_and_equals_itself() -> None:
    truths = {pair.truth for pair in pairs()} - {"x^e"}  # which the parser of LaTeX does not read
    assert [truth for truth in truths if grade(truth, truth) is not Verdict.EQUAL] == []
    assert [truth for truth in truths if not is_gradable(truth)] == []
