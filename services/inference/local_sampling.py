"""The next token of every candidate from one matrix of logits.

Each candidate draws one number a token from its own generator and takes the token at that quantile
of its distribution, so what it draws does not depend on which other candidates are in the batch.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from random import Random
from typing import TYPE_CHECKING

import torch

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

NUCLEUS = 256
"""Tokens looked at first for top_p; a nucleus is nearly always smaller."""
ROWS = 16
"""Candidates whose distributions are computed together; they then fit the processor's cache."""
BUCKET = 256
"""Tokens summed together before the quantile is looked up."""


@dataclass(frozen=True, slots=True)
class Draw:
    """How one candidate chooses its next token."""

    temperature: float
    """0 takes the likeliest token."""
    top_p: float
    generator: Random = field(compare=False)


def generator_for(seed: int | None, index: int) -> Random:
    """The generator of candidate `index` of a request; without a seed, an unpredictable one."""
    return Random() if seed is None else Random(f"{seed}/{index}")  # noqa: S311


def choose_tokens(logits: torch.Tensor, draws: Sequence[Draw]) -> list[int]:
    """The next token of each row of [candidates, vocabulary] logits."""
    tokens: list[int] = []
    for start in range(0, len(draws), ROWS):
        part = slice(start, start + ROWS)
        rows = logits[part]
        precise = rows if rows.dtype is torch.float64 else rows.float()
        tokens.extend(_choose(precise, draws[part]).tolist())
    return tokens


def _choose(logits: torch.Tensor, draws: Sequence[Draw]) -> torch.Tensor:
    """The next token of a few rows of logits in single or double precision."""
    sampled = [row for row, draw in enumerate(draws) if draw.temperature > 0]
    greedy = [row for row, draw in enumerate(draws) if draw.temperature == 0]

    def numbers(values: Iterable[float]) -> torch.Tensor:
        return torch.tensor(list(values), dtype=logits.dtype, device=logits.device)

    tokens = torch.empty(len(draws), dtype=torch.long, device=logits.device)
    if greedy:
        tokens[greedy] = logits[greedy].max(dim=-1).indices
    if sampled:
        chosen = [draws[row] for row in sampled]
        rows = logits[sampled] if greedy else logits
        temperatures = numbers(draw.temperature for draw in chosen)
        probabilities = (rows / temperatures.unsqueeze(1)).softmax(dim=-1)
        if any(draw.top_p < 1 for draw in chosen):
            limits = numbers(draw.top_p for draw in chosen)
            probabilities = _within_nucleus(probabilities, limits)
        quantiles = numbers(draw.generator.random() for draw in chosen)
        tokens[sampled] = _at_quantile(probabilities, quantiles)
    return tokens


def _within_nucleus(probabilities: torch.Tensor, limits: torch.Tensor) -> torch.Tensor:
    """Zero what is outside the smallest set of tokens whose probabilities reach the limit."""
    whole = limits >= 1
    size = min(NUCLEUS, probabilities.shape[1])
    likely, tokens = probabilities.topk(size, dim=-1)
    if bool(((likely.sum(dim=-1) < limits) & ~whole).any()):
        likely, tokens = probabilities.sort(dim=-1, descending=True)
    before = likely.cumsum(dim=-1) - likely
    kept = torch.where(before < limits.unsqueeze(1), likely, 0.0)
    nucleus = torch.zeros_like(probabilities).scatter_(1, tokens, kept)
    return torch.where(whole.unsqueeze(1), probabilities, nucleus)


def _at_quantile(probabilities: torch.Tensor, quantiles: torch.Tensor) -> torch.Tensor:
    """The token at a quantile in [0, 1) of each row; rows need not sum to one.

    Looked up in two levels, buckets and then tokens: faster than a running sum over the
    vocabulary, and it adds up few numbers, so that single precision is enough.
    """
    rows, vocabulary = probabilities.shape
    padded = torch.nn.functional.pad(probabilities, (0, -vocabulary % BUCKET))
    buckets = padded.view(rows, -1, BUCKET)
    ends = buckets.sum(dim=-1).cumsum(dim=-1)
    targets = _below(quantiles.unsqueeze(1) * ends[:, -1:], ends)
    bucket = _first_above(ends, targets)
    start = torch.where(bucket > 0, ends.gather(1, (bucket - 1).clamp(min=0)), 0.0)
    inside = buckets[torch.arange(rows, device=bucket.device), bucket.squeeze(1)].cumsum(dim=-1)
    targets = _below(targets - start, inside)
    return (bucket * BUCKET + _first_above(inside, targets)).squeeze(1)


def _below(targets: torch.Tensor, ends: torch.Tensor) -> torch.Tensor:
    """Keep targets under the last running sum: rounding must not take a token of weight zero."""
    last = ends[:, -1:]
    return torch.minimum(targets, last.nextafter(torch.zeros_like(last)))


def _first_above(ends: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
    """Index of the first running sum above the target, [rows, 1]."""
    return torch.searchsorted(ends, targets, right=True).clamp_(max=ends.shape[1] - 1)
