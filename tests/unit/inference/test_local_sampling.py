"""Tokens are drawn with the probabilities that the request asks for."""

from __future__ import annotations

from collections import Counter
from random import Random

import torch

from services.inference.local_sampling import Draw, choose_tokens, generator_for

LOGITS = torch.tensor([3.0, 2.0, 1.0, 0.0, -1.0])


def draw_many(*, temperature: float, top_p: float, count: int = 4000) -> Counter[int]:
    draws = [Draw(temperature, top_p, generator_for(7, index)) for index in range(count)]
    return Counter(choose_tokens(LOGITS.expand(count, -1), draws))


def test_tokens_come_as_often_as_their_probabilities_say() -> None:
    wanted = torch.softmax(LOGITS / 1.5, -1).tolist()
    found = draw_many(temperature=1.5, top_p=1.0)
    for token, probability in enumerate(wanted):
        assert abs(found[token] / 4000 - probability) < 0.03


def test_top_p_leaves_the_smallest_set_that_reaches_it() -> None:
    wanted = torch.softmax(LOGITS, -1)
    assert wanted[0] < 0.7 < wanted[:2].sum()
    assert set(draw_many(temperature=1.0, top_p=0.7)) == {0, 1}


def test_temperature_zero_takes_the_likeliest() -> None:
    assert set(draw_many(temperature=0.0, top_p=1.0, count=20)) == {0}


def test_greedy_and_sampled_candidates_share_a_batch() -> None:
    hot, cold = [Draw(t, 1.0, generator_for(1, 0)) for t in (5.0, 0.0)]
    mixed = choose_tokens(LOGITS.expand(2, -1), [hot, cold])
    again = Draw(5.0, 1.0, generator_for(1, 0))
    assert mixed == [*choose_tokens(LOGITS.expand(1, -1), [again]), 0]


def test_a_token_of_probability_zero_is_never_taken_at_the_ends_of_the_distribution() -> None:
    class End(Random):
        """A generator that always returns the largest number below one."""

        def random(self) -> float:
            return 1.0 - 2.0**-53

    logits = torch.full((1, 1000), float("-inf"))
    logits[0, [3, 500]] = 0.0
    assert choose_tokens(logits, [Draw(1.0, 1.0, End())]) == [500]


def test_a_wide_vocabulary_is_searched_in_all_its_buckets() -> None:
    logits = torch.full((3, 49_152), -30.0)
    for row, token in enumerate((0, 255, 49_151)):
        logits[row, token] = 30.0
    draws = [Draw(1.0, 0.9, generator_for(None, row)) for row in range(3)]
    assert choose_tokens(logits, draws) == [0, 255, 49_151]
