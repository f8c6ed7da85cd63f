"""The two losses, as functions of tensors: what a policy and what a PPM learn from."""

from __future__ import annotations

import torch
from torch.nn import functional

from services.training.encoding import IGNORED


def labelled_positions(labels: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Where something is to be predicted, and what.

    Args:
        labels: [texts, length], `IGNORED` where nothing is to be learned.

    Returns:
        A mask [texts, length - 1] of the positions whose next token has a label, and these labels.
    """
    following = labels[:, 1:]
    mask = following != IGNORED
    return mask, following[mask]


def token_loss(
    logits: torch.Tensor, labels: torch.Tensor, *, count: torch.Tensor | int | None
) -> torch.Tensor:
    """Cross-entropy of the labelled tokens, over `count` of them.

    Args:
        logits: [tokens, vocabulary].
        labels: [tokens].
        count: labelled tokens of the whole batch, of which these may be a part; None where these
            are all.

    Returns:
        A scalar; the losses of a batch's parts add up to the batch's mean.
    """
    total = functional.cross_entropy(logits.float(), labels, reduction="sum")
    return total / (max(1, labels.numel()) if count is None else count)


def pair_loss(chosen: torch.Tensor, rejected: torch.Tensor, groups: torch.Tensor) -> torch.Tensor:
    """Mean over the steps of the mean over a step's pairs of -log sigmoid(r+ - r-).

    Source: rStar-Math, arXiv 2501.04519, section 3.4, equation (4); a step there has up to
    2 x 2 pairs, and a step with fewer weighs as much as one with four.

    Args:
        chosen: r+ of each pair, [pairs], in [-1, 1].
        rejected: r- of each pair, [pairs], in [-1, 1].
        groups: the step that each pair belongs to, [pairs], integers from 0.

    Returns:
        A scalar; 0 for no pairs.
    """
    losses = -functional.logsigmoid(chosen.float() - rejected.float())
    counts = torch.bincount(groups)
    shares = losses / counts[groups]
    return shares.sum() / (counts > 0).sum().clamp(min=1)


def pair_accuracy(chosen: torch.Tensor, rejected: torch.Tensor) -> float:
    """Share of the pairs whose chosen score is higher, a tie counting half; [pairs] each, not 0."""
    return float(((chosen > rejected).float() + 0.5 * (chosen == rejected).float()).mean())
