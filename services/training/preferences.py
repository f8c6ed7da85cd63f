"""Preference pairs, gathered by the step they belong to and laid out as one batch of texts."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, TypedDict

import torch

if TYPE_CHECKING:
    from collections.abc import Sequence

    from transformers import PreTrainedTokenizerBase


@dataclass(frozen=True, slots=True)
class PreferenceExample:
    """Two prompts that end in the step they are judged by."""

    group: str
    """The step that the pair belongs to; the pairs of one group are averaged."""
    chosen: str
    rejected: str


@dataclass(frozen=True, slots=True)
class StepPairs:
    """The pairs of one step, over its distinct texts."""

    texts: tuple[tuple[int, ...], ...]
    """Tokens, the texts in the order of their first pair."""
    chosen: tuple[int, ...]
    """For each pair the index of its chosen text."""
    rejected: tuple[int, ...]


class PairBatch(TypedDict):
    """What a pass gets; texts are rows, pairs name them by row."""

    input_ids: torch.Tensor  # [texts, length], padded on the right
    attention_mask: torch.Tensor  # [texts, length], 0 at padding
    chosen: torch.Tensor  # [pairs]
    rejected: torch.Tensor  # [pairs]
    groups: torch.Tensor  # [pairs], which step of the batch, from 0


def steps_of(
    tokenizer: PreTrainedTokenizerBase, examples: Sequence[PreferenceExample], *, max_length: int
) -> list[StepPairs]:
    """The steps of some pairs, in the order of their first pair.

    A pair with a text of more than `max_length` tokens is left out: cut, it would end in another
    step than the one that is judged.
    """
    tokens: dict[str, tuple[int, ...]] = {}
    groups: dict[str, list[tuple[str, str]]] = {}
    for example in examples:
        pair = (example.chosen, example.rejected)
        for text in pair:
            tokens.setdefault(text, tuple(tokenizer(text)["input_ids"]))
        if all(0 < len(tokens[text]) <= max_length for text in pair):
            groups.setdefault(example.group, []).append(pair)
    return [_step(pairs, tokens) for pairs in groups.values()]


def _step(pairs: Sequence[tuple[str, str]], tokens: dict[str, tuple[int, ...]]) -> StepPairs:
    rows = {text: row for row, text in enumerate(dict.fromkeys(t for pair in pairs for t in pair))}
    return StepPairs(
        texts=tuple(tokens[text] for text in rows),
        chosen=tuple(rows[chosen] for chosen, _ in pairs),
        rejected=tuple(rows[rejected] for _, rejected in pairs),
    )


def collate(steps: Sequence[StepPairs], *, pad_token_id: int) -> PairBatch:
    """Lay out steps as one batch."""
    texts = [text for step in steps for text in step.texts]
    length = max(len(text) for text in texts)
    input_ids = torch.full((len(texts), length), pad_token_id, dtype=torch.long)
    attention_mask = torch.zeros_like(input_ids)
    for row, text in enumerate(texts):
        input_ids[row, : len(text)] = torch.tensor(text)
        attention_mask[row, : len(text)] = 1
    chosen: list[int] = []
    rejected: list[int] = []
    groups: list[int] = []
    first = 0
    for group, step in enumerate(steps):
        chosen += [first + row for row in step.chosen]
        rejected += [first + row for row in step.rejected]
        groups += [group] * len(step.chosen)
        first += len(step.texts)
    return PairBatch(
        input_ids=input_ids,
        attention_mask=attention_mask,
        chosen=torch.tensor(chosen),
        rejected=torch.tensor(rejected),
        groups=torch.tensor(groups),
    )
