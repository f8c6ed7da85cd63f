"""The losses, against values worked out by hand."""

from __future__ import annotations

import math

import pytest
import torch

from services.training.encoding import IGNORED
from services.training.losses import labelled_positions, pair_accuracy, pair_loss, token_loss


def loss_of(margin: float) -> float:
    return math.log(1 + math.exp(-margin))


def pairs(*triples: tuple[float, float, int]) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    chosen, rejected, groups = zip(*triples, strict=True)
    return torch.tensor(chosen), torch.tensor(rejected), torch.tensor(groups)


def test_a_pair_costs_minus_the_log_of_the_sigmoid_of_its_margin() -> None:
    assert pair_loss(*pairs((0.5, -0.25, 0))).item() == pytest.approx(loss_of(0.75))


def test_pairs_of_equal_scores_cost_log_two() -> None:
    assert pair_loss(*pairs((0.1, 0.1, 0), (0.7, 0.7, 1))).item() == pytest.approx(math.log(2))


def test_a_step_with_one_pair_weighs_as_much_as_a_step_with_four() -> None:
    four = [(0.9, -0.9, 0)] * 4
    one = (-0.5, 0.5, 1)
    expected = (loss_of(1.8) + loss_of(-1.0)) / 2
    assert pair_loss(*pairs(*four, one)).item() == pytest.approx(expected)


def test_the_pairs_of_a_step_are_averaged() -> None:
    loss = pair_loss(*pairs((1.0, 0.0, 0), (0.0, 1.0, 0)))
    assert loss.item() == pytest.approx((loss_of(1.0) + loss_of(-1.0)) / 2)


def test_step_numbers_may_have_gaps() -> None:
    assert pair_loss(*pairs((0.5, 0.0, 3))).item() == pytest.approx(loss_of(0.5))


def test_no_pairs_cost_nothing() -> None:
    nothing = torch.tensor([])
    assert pair_loss(nothing, nothing, torch.tensor([], dtype=torch.long)).item() == 0


def test_a_tie_is_half_right() -> None:
    accuracy = pair_accuracy(torch.tensor([1.0, 0.0, 0.5, 0.2]), torch.tensor([0.0, 1.0, 0.5, 0.1]))
    assert accuracy == pytest.approx(2.5 / 4)


def test_a_position_predicts_the_label_after_it() -> None:
    labels = torch.tensor([[IGNORED, 7, IGNORED, 9], [5, IGNORED, IGNORED, 3]])
    mask, wanted = labelled_positions(labels)
    assert mask.tolist() == [[True, False, True], [False, False, True]]
    assert wanted.tolist() == [7, 9, 3]


def test_even_logits_cost_the_log_of_the_vocabulary() -> None:
    loss = token_loss(torch.zeros(3, 8), torch.tensor([0, 4, 7]), count=None)
    assert loss.item() == pytest.approx(math.log(8))


def test_the_losses_of_the_parts_of_a_batch_add_up_to_its_mean() -> None:
    logits, labels = torch.randn(5, 8, generator=torch.Generator().manual_seed(0)), torch.arange(5)
    parts = [token_loss(logits[s], labels[s], count=5) for s in (slice(0, 2), slice(2, 5))]
    whole = token_loss(logits, labels, count=None)
    assert sum(part.item() for part in parts) == pytest.approx(whole.item())
