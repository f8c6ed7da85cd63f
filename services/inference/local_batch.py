"""From prompts in flight to the tensors of one forward pass.

Every running candidate gives its last token, and prompts that are not computed yet give a share of
their tokens up to a budget, so that new prompts join without stopping the others.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import torch

from services.inference.local_attention import Forward, Section
from services.inference.local_columns import PROMPT, KvColumns, rounded

if TYPE_CHECKING:
    from collections.abc import Sequence

    from services.inference.local_flight import FlyingPrompt, RunningCandidate

PADDING = 2
"""A section of prompt chunks may have this many times as many cells as tokens."""
NO_CANDIDATE = -3
"""Marks a grid row without a token; owns no column."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What one wanted token's answer is for."""

    prompt: FlyingPrompt
    candidate: RunningCandidate | None
    """None where the prompt has just been computed."""


@dataclass(slots=True)
class _Tokens:
    """The batch while it is gathered; one entry a token."""

    ids: list[int] = field(default_factory=list)
    positions: list[int] = field(default_factory=list)
    slots: list[int] = field(default_factory=list)
    columns: list[int] = field(default_factory=list)
    wanted: list[int] = field(default_factory=list)

    def add(self, token: int, *, position: int, slot: int, column: int) -> None:
        self.ids.append(token)
        self.positions.append(position)
        self.slots.append(slot)
        self.columns.append(column)


@dataclass(frozen=True, slots=True)
class Batch:
    """The arguments of `LocalModel.forward`, and whom its answers are for."""

    tokens: torch.Tensor
    positions: torch.Tensor
    plan: Forward
    wanted: torch.Tensor
    answers: list[Answer]


@dataclass(frozen=True, slots=True)
class _Chunk:
    """Tokens `start` to `end` of the prompt in `slot`."""

    prompt: FlyingPrompt
    slot: int
    start: int
    end: int

    @property
    def size(self) -> int:
        return self.end - self.start


def plan_batch(flight: Sequence[FlyingPrompt], columns: KvColumns, *, budget: int) -> Batch:
    """Give each token its column and say what it sees.

    `flight[slot]` is the prompt of a slot. Prompts are marked computed as far as this pass gets,
    in their order and up to `budget` prompt tokens in all.
    """
    tokens, answers = _Tokens(), list[Answer]()
    decoding = [slot for slot, prompt in enumerate(flight) if prompt.candidates]
    for slot in decoding:
        for candidate in flight[slot].candidates:
            _add_candidate(tokens, flight[slot], candidate, slot)
            answers.append(Answer(flight[slot], candidate))
    running = len(tokens.ids)
    tokens.wanted.extend(range(running))
    columns.reserve(slots=len(flight), columns=max(prompt.width for prompt in flight))
    device = columns.owner.device
    sections: list[Section] = []
    if decoding:
        owners = [candidate.index for slot in decoding for candidate in flight[slot].candidates]
        columns.owner[tokens.slots, tokens.columns] = torch.tensor(
            owners, dtype=columns.owner.dtype, device=device
        )
        sections.append(_decoding_section(flight[: decoding[-1] + 1], columns))
    for run in _chunk_runs(_chunks(flight, budget)):
        first = len(tokens.ids)
        for chunk in run:
            _add_chunk(tokens, chunk)
            if chunk.prompt.is_computed:
                tokens.wanted.append(len(tokens.ids) - 1)
                answers.append(Answer(chunk.prompt, None))
        sections.append(_chunk_section(run, columns, first))

    def tensor(values: list[int]) -> torch.Tensor:
        return torch.tensor(values, dtype=torch.long, device=device)

    plan = Forward(
        columns,
        sections,
        token_slots=tensor(tokens.slots),
        token_columns=tensor(tokens.columns),
    )
    return Batch(tensor(tokens.ids), tensor(tokens.positions), plan, tensor(tokens.wanted), answers)


def _add_candidate(
    tokens: _Tokens, prompt: FlyingPrompt, candidate: RunningCandidate, slot: int
) -> None:
    column = prompt.take_column()
    candidate.columns.append(column)
    position = len(prompt.tokens) + len(candidate.tokens) - 1
    tokens.add(candidate.tokens[-1], position=position, slot=slot, column=column)


def _add_chunk(tokens: _Tokens, chunk: _Chunk) -> None:
    for place in range(chunk.start, chunk.end):
        token = chunk.prompt.tokens[place]
        tokens.add(token, position=place, slot=chunk.slot, column=place)
    chunk.prompt.computed = chunk.end


def _chunks(flight: Sequence[FlyingPrompt], budget: int) -> list[_Chunk]:
    chunks: list[_Chunk] = []
    for slot, prompt in enumerate(flight):
        size = min(budget, len(prompt.tokens) - prompt.computed)
        if size > 0:
            chunks.append(_Chunk(prompt, slot, prompt.computed, prompt.computed + size))
            budget -= size
    return chunks


def _chunk_runs(chunks: list[_Chunk]) -> list[list[_Chunk]]:
    """Chunks of consecutive slots and similar sizes, together."""
    runs: list[list[_Chunk]] = []
    for chunk in chunks:
        if runs and runs[-1][-1].slot + 1 == chunk.slot:
            longer = [*runs[-1], chunk]
            cells = len(longer) * max(part.size for part in longer)
            if cells <= PADDING * sum(part.size for part in longer):
                runs[-1] = longer
                continue
        runs.append([chunk])
    return runs


def _decoding_section(prompts: Sequence[FlyingPrompt], columns: KvColumns) -> Section:
    rows = max(len(prompt.candidates) for prompt in prompts)
    width = rounded(max(prompt.width for prompt in prompts))
    gather, scatter, owners, token = list[int](), list[int](), list[int](), 0
    for slot, prompt in enumerate(prompts):
        for row in range(rows):
            if row < len(prompt.candidates):
                scatter.append(slot * rows + row)
                gather.append(token)
                owners.append(prompt.candidates[row].index)
                token += 1
            else:
                gather.append(0)
                owners.append(NO_CANDIDATE)
    owner = columns.owner[: len(prompts), None, :width]
    device = owner.device
    mine = torch.tensor(owners, device=device).view(len(prompts), rows, 1)
    return Section(
        first_slot=0,
        slots=len(prompts),
        rows=rows,
        gather=torch.tensor(gather, device=device),
        scatter=torch.tensor(scatter, device=device),
        mask=_mask((owner == PROMPT) | (owner == mine), columns.shape.dtype),
    )


def _chunk_section(run: list[_Chunk], columns: KvColumns, first: int) -> Section:
    """The section of chunks whose tokens begin at index `first` of the batch."""
    rows = max(chunk.size for chunk in run)
    width = rounded(max(chunk.end for chunk in run))
    gather, scatter = list[int](), list[int]()
    for index, chunk in enumerate(run):
        gather.extend(first + min(row, chunk.size - 1) for row in range(rows))
        scatter.extend(index * rows + row for row in range(chunk.size))
        first += chunk.size
    device = columns.owner.device
    places = torch.tensor([chunk.start for chunk in run], device=device).view(-1, 1, 1)
    places = places + torch.arange(rows, device=device).view(1, -1, 1)
    return Section(
        first_slot=run[0].slot,
        slots=len(run),
        rows=rows,
        gather=torch.tensor(gather, device=device),
        scatter=torch.tensor(scatter, device=device),
        mask=_mask(torch.arange(width, device=device) <= places, columns.shape.dtype),
    )


def _mask(visible: torch.Tensor, dtype: torch.dtype) -> torch.Tensor:
    lowest = torch.finfo(dtype).min
    return torch.zeros(visible.shape, dtype=dtype, device=visible.device).masked_fill_(
        ~visible, lowest
    )
