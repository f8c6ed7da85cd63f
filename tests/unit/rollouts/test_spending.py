"""Where a budget goes: worked out by hand for priors that make the Beta functions simple."""

from __future__ import annotations

import pytest

from db.records.searches import Prospect
from services.profiles import Tier
from services.rollouts.spending import Experience, gain, ranked

EVEN = Experience(rollouts=98, correct=49.0, tokens=9_800)
"""A solve rate of one half: the prior is Beta(1, 1), uniform; 100 tokens a rollout."""
TIERS = (Tier(rollouts=3, candidates=4), Tier(rollouts=12, candidates=8))


def prospect(
    number: int = 1,
    *,
    tier: int = 0,
    solved: bool = False,
    rollouts: int = 0,
    correct: float = 0.0,
    source: str = "even",
) -> Prospect:
    return Prospect(number, source, tier, solved, rollouts, correct, tokens=100 * rollouts)


def test_the_gain_is_the_chance_of_a_new_solved_problem_and_of_a_pair() -> None:
    # Under a uniform q, 3 draws are all wrong with 1/4 and all correct with 1/4.
    assert gain(prospect(), EVEN, 3) == pytest.approx(3 / 4 + 2 / 4)
    assert gain(prospect(solved=True), EVEN, 3) == pytest.approx(2 / 4)


def test_failures_before_lower_what_a_search_promises() -> None:
    # 2 wrong rollouts make Beta(1, 3): 3 draws are all wrong with 3/6, all correct with 1/20.
    tried = prospect(rollouts=2)
    assert gain(tried, EVEN, 3) == pytest.approx(1 / 2 + 1 / 2 - 1 / 20)


def test_a_problem_that_is_always_solved_yields_nothing_new() -> None:
    sure = prospect(solved=True, rollouts=1000, correct=1000.0)
    assert gain(sure, EVEN, 3) < 0.01


def test_the_best_gain_a_token_comes_first() -> None:
    easy = prospect(1, solved=True, rollouts=100, correct=100.0)
    fresh = prospect(2)
    hopeless = prospect(3, tier=1, rollouts=300)
    order = ranked([easy, hopeless, fresh], TIERS, {"even": EVEN})
    assert [search.problem_id for search in order] == [2, 1, 3]
    assert [search.tokens for search in order] == [300.0, 300.0, 1200.0]


def test_a_source_without_searches_is_taken_for_the_average_one() -> None:
    (only,) = ranked([prospect(source="new")], TIERS, {"even": EVEN})
    assert only.tokens == 300.0
    assert only.gain == pytest.approx(5 / 4)


def test_before_anything_is_known_problems_are_searched_in_their_order() -> None:
    order = ranked([prospect(5), prospect(3), prospect(4)], TIERS, {})
    assert [(search.problem_id, search.tokens) for search in order] == [(5, 0), (3, 0), (4, 0)]
