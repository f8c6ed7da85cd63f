"""Keys and values of prompt beginnings, kept so that a child's prompt costs only its own step.

A block is `BLOCK` tokens; its key is a hash of these tokens and of the block before, so equal keys
mean equal prefixes. The least recently used blocks are dropped when the byte limit is passed.
"""

from __future__ import annotations

from collections import OrderedDict
from hashlib import blake2b
from typing import TYPE_CHECKING, NamedTuple

import torch

if TYPE_CHECKING:
    from collections.abc import Sequence

    from services.inference.local_columns import KvColumns

BLOCK = 16
"""Tokens in a block."""


class Block(NamedTuple):
    """The columns of one block, of all layers."""

    keys: torch.Tensor
    """[layers, heads, head_size, BLOCK]"""
    values: torch.Tensor
    """[layers, heads, BLOCK, head_size]"""

    @property
    def nbytes(self) -> int:
        return self.keys.nbytes + self.values.nbytes


def block_keys(tokens: Sequence[int]) -> list[bytes]:
    """One key for each full block that leaves at least the last token to be computed."""
    keys: list[bytes] = []
    parent = b""
    for start in range(0, len(tokens) - BLOCK, BLOCK):
        block = b",".join(b"%d" % token for token in tokens[start : start + BLOCK])
        parent = blake2b(parent + block, digest_size=16).digest()
        keys.append(parent)
    return keys


class PrefixCache:
    """Blocks by key, the least recently used first."""

    def __init__(self, *, limit_bytes: int) -> None:
        self.limit_bytes = limit_bytes
        self.nbytes = 0
        self._blocks: OrderedDict[bytes, Block] = OrderedDict()

    def __len__(self) -> int:
        return len(self._blocks)

    def known(self, keys: Sequence[bytes]) -> int:
        """How many blocks at the beginning of a prompt are held."""
        for index, key in enumerate(keys):
            if key not in self._blocks:
                return index
        return len(keys)

    def load(self, keys: Sequence[bytes], columns: KvColumns, slot: int) -> None:
        """Copy held blocks to the first columns of a slot."""
        if not keys:
            return
        blocks = [self._blocks[key] for key in keys]
        width = BLOCK * len(blocks)
        columns.keys[:, slot, :, :, :width] = torch.cat([block.keys for block in blocks], dim=3)
        columns.values[:, slot, :, :width] = torch.cat([block.values for block in blocks], dim=2)
        self._touch(keys)

    def store(self, keys: Sequence[bytes], columns: KvColumns, slot: int) -> None:
        """Copy the blocks of a computed prompt that are not held yet."""
        for index, key in enumerate(keys):
            if key in self._blocks:
                continue
            start = index * BLOCK
            block = Block(
                columns.keys[:, slot, :, :, start : start + BLOCK].clone(
                    memory_format=torch.contiguous_format
                ),
                columns.values[:, slot, :, start : start + BLOCK].clone(
                    memory_format=torch.contiguous_format
                ),
            )
            self._blocks[key] = block
            self.nbytes += block.nbytes
        self._touch(keys)
        while self.nbytes > self.limit_bytes:
            self.nbytes -= self._blocks.popitem(last=False)[1].nbytes

    def _touch(self, keys: Sequence[bytes]) -> None:
        # Last block first: a block is useless without those before it, so it must go before them.
        for key in reversed(keys):
            if key in self._blocks:
                self._blocks.move_to_end(key)
