"""The keys and values of the prompts in flight: a slot for each prompt, a column for each token.

A prompt's tokens are stored once, however many candidates continue it: a column belongs to the
prompt (every candidate sees it), to one candidate (only that candidate sees it), or to nobody.
Columns of a prompt of L tokens are 0..L-1 in order; a candidate's columns may lie anywhere after
them, because rotary positions are already in the keys and attention does not care for order.
Slots 0..n-1 are the ones in use, so that a batch is a view of the buffers and never a gather.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch

PROMPT = -1
"""Owner of a column that every candidate of the slot sees."""
NOBODY = -2
"""Owner of a free column."""

COLUMN_STEP = 32
"""Widths are multiples of this, so that few kernel shapes occur."""


@dataclass(frozen=True, slots=True)
class KvShape:
    """What one column of one slot holds."""

    layers: int
    heads: int
    """Key-value heads."""
    head_size: int
    dtype: torch.dtype
    device: torch.device

    @property
    def column_bytes(self) -> int:
        return 2 * self.layers * self.heads * self.head_size * self.dtype.itemsize


def rounded(columns: int) -> int:
    """The smallest allowed width that holds so many columns."""
    return -(-columns // COLUMN_STEP) * COLUMN_STEP


class KvColumns:
    """Preallocated buffers that grow by doubling, while the limit lets them, written in place.

    `keys` is [layers, slots, heads, head_size, columns] and `values`
    [layers, slots, heads, columns, head_size]: with keys stored transposed, both products of the
    attention read long contiguous rows. `owner` is [slots, columns].
    """

    def __init__(self, shape: KvShape, *, limit_bytes: int) -> None:
        """`limit_bytes` bounds what `fits` admits; columns of running candidates may pass it."""
        self.shape = shape
        self.limit_bytes = limit_bytes
        self._allocate(slots=1, columns=COLUMN_STEP)

    @property
    def slots(self) -> int:
        return self.owner.shape[0]

    @property
    def columns(self) -> int:
        return self.owner.shape[1]

    def fits(self, *, slots: int, columns: int) -> bool:
        """Whether so many slots, so wide, stay within the limit."""
        return self._allowed(max(self.slots, slots), max(self.columns, rounded(columns)))

    def reset(self, *, slots: int, columns: int) -> None:
        """Forget everything and allocate just this much."""
        self._allocate(slots=slots, columns=rounded(columns))

    def reserve(self, *, slots: int, columns: int) -> None:
        """Grow until there are at least so many slots and columns; contents are kept."""
        if slots <= self.slots and columns <= self.columns:
            return
        keys, values, owner = self.keys, self.values, self.owner
        old_slots, old_columns = owner.shape
        new_slots, new_columns = max(slots, old_slots), max(rounded(columns), old_columns)
        if slots > old_slots and self._allowed(max(slots, 2 * old_slots), new_columns):
            new_slots = max(slots, 2 * old_slots)
        if columns > old_columns and self._allowed(new_slots, max(new_columns, 2 * old_columns)):
            new_columns = max(new_columns, 2 * old_columns)
        self._allocate(slots=new_slots, columns=new_columns)
        self.keys[:, :old_slots, :, :, :old_columns] = keys
        self.values[:, :old_slots, :, :old_columns] = values
        self.owner[:old_slots, :old_columns] = owner

    def move(self, source: int, target: int, *, columns: int) -> None:
        """Copy the first columns of a slot over another slot."""
        self.keys[:, target, :, :, :columns] = self.keys[:, source, :, :, :columns]
        self.values[:, target, :, :columns] = self.values[:, source, :, :columns]
        self.owner[target] = self.owner[source]

    def clear(self, slot: int) -> None:
        """Mark every column of a slot free."""
        self.owner[slot] = NOBODY

    def _allowed(self, slots: int, columns: int) -> bool:
        return slots * columns * self.shape.column_bytes <= self.limit_bytes

    def _allocate(self, *, slots: int, columns: int) -> None:
        # Zeros, not garbage: a column that nobody sees has weight zero, and zero times NaN is NaN.
        layers, heads, size = self.shape.layers, self.shape.heads, self.shape.head_size
        dtype, device = self.shape.dtype, self.shape.device
        self.keys = torch.zeros(layers, slots, heads, size, columns, dtype=dtype, device=device)
        self.values = torch.zeros(layers, slots, heads, columns, size, dtype=dtype, device=device)
        self.owner = torch.full((slots, columns), NOBODY, dtype=torch.int32, device=device)
