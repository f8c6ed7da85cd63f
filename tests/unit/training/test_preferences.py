"""Pairs gathered by step and laid out as a batch."""

from __future__ import annotations

from services.training.preferences import PreferenceExample, collate, steps_of
from tests.models import tiny_tokenizer

TOKENIZER = tiny_tokenizer()


def pair(group: str, chosen: str, rejected: str) -> PreferenceExample:
    return PreferenceExample(group=group, chosen=chosen, rejected=rejected)


def test_each_text_of_a_step_is_read_once() -> None:
    pairs = [pair("s", good, bad) for good in ("aa", "bb") for bad in ("cc", "dd")]
    (step,) = steps_of(TOKENIZER, pairs, max_length=8)
    assert len(step.texts) == 4
    assert list(zip(step.chosen, step.rejected, strict=True)) == [(0, 1), (0, 2), (3, 1), (3, 2)]


def test_pairs_of_one_group_need_not_stand_together() -> None:
    pairs = [pair("s", "a", "b"), pair("t", "a", "c"), pair("s", "d", "b")]
    assert [len(step.chosen) for step in steps_of(TOKENIZER, pairs, max_length=8)] == [2, 1]


def test_a_pair_that_would_be_cut_is_left_out() -> None:
    pairs = [pair("s", "a", "b"), pair("s", "a", "b" * 9), pair("t", "c" * 9, "b")]
    (step,) = steps_of(TOKENIZER, pairs, max_length=8)
    assert (step.chosen, step.rejected) == ((0,), (1,))


def test_a_batch_pads_on_the_right_and_numbers_its_rows_through() -> None:
    pairs = [pair("s", "a", "bcd"), pair("t", "ef", "g")]
    batch = collate(steps_of(TOKENIZER, pairs, max_length=8), pad_token_id=9)
    a, b, c, d, e, f, g = (TOKENIZER(letter)["input_ids"][0] for letter in "abcdefg")
    assert batch["input_ids"].tolist() == [[a, 9, 9], [b, c, d], [e, f, 9], [g, 9, 9]]
    assert batch["attention_mask"].sum(dim=1).tolist() == [1, 3, 2, 1]
    assert batch["chosen"].tolist() == [0, 2]
    assert batch["rejected"].tolist() == [1, 3]
    assert batch["groups"].tolist() == [0, 1]
