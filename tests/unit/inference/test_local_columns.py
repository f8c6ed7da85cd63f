"""The buffers of prompts in flight grow without losing anything, and within their limit."""

from __future__ import annotations

import pytest
import torch

from services.inference.local_columns import NOBODY, KvColumns, KvShape
from services.inference.local_engine import EngineLimits
from services.inference.local_prefix import BLOCK, PrefixCache, block_keys

SHAPE = KvShape(2, 3, 4, torch.float32, torch.device("cpu"))


def columns(*, limit: int = 1 << 20, slots: int = 1, width: int = 32) -> KvColumns:
    made = KvColumns(SHAPE, limit_bytes=limit * SHAPE.column_bytes)
    made.reserve(slots=slots, columns=width)
    return made


def fill(made: KvColumns) -> None:
    made.keys.copy_(torch.rand_like(made.keys))
    made.values.copy_(torch.rand_like(made.values))
    made.owner.fill_(0)


def test_growing_keeps_what_is_stored() -> None:
    made = columns(slots=2, width=40)
    fill(made)
    keys, values = made.keys.clone(), made.values.clone()
    made.reserve(slots=3, columns=65)
    assert torch.equal(made.keys[:, :2, :, :, :64], keys)
    assert torch.equal(made.values[:, :2, :, :64], values)
    assert (made.slots, made.columns) == (4, 128)
    assert bool((made.owner[2:] == NOBODY).all())
    assert bool((made.owner[:, 64:] == NOBODY).all())


def test_growth_stops_doubling_at_the_limit() -> None:
    made = columns(limit=5 * 32, slots=3)
    assert made.fits(slots=5, columns=32)
    assert not made.fits(slots=6, columns=32)
    assert not made.fits(slots=3, columns=64)
    made.reserve(slots=5, columns=32)
    assert (made.slots, made.columns) == (5, 32)


def test_running_candidates_may_pass_the_limit() -> None:
    made = columns(limit=64, slots=2)
    made.reserve(slots=2, columns=33)
    assert (made.slots, made.columns) == (2, 64)


def test_a_column_costs_its_keys_and_values_in_all_layers() -> None:
    made = columns(slots=1, width=32)
    assert made.keys.nbytes + made.values.nbytes == 32 * SHAPE.column_bytes


def test_a_prefix_comes_back_as_it_was_stored() -> None:
    made = columns(slots=2, width=64)
    fill(made)
    keys = block_keys(range(2 * BLOCK + 1))
    cache = PrefixCache(limit_bytes=1 << 20)
    cache.store(keys, made, 0)
    cache.load(keys, made, 1)
    assert torch.equal(made.keys[:, 0, :, :, : 2 * BLOCK], made.keys[:, 1, :, :, : 2 * BLOCK])
    assert torch.equal(made.values[:, 0, :, : 2 * BLOCK], made.values[:, 1, :, : 2 * BLOCK])


@pytest.mark.parametrize(("tokens", "blocks"), [(0, 0), (16, 0), (17, 1), (32, 1), (33, 2)])
def test_the_last_token_is_never_part_of_a_block(tokens: int, blocks: int) -> None:
    assert len(block_keys(range(tokens))) == blocks


def test_a_block_is_known_by_all_that_comes_before_it() -> None:
    first = block_keys([1] * 16 + [2] * 16 + [0])
    second = block_keys([3] * 16 + [2] * 16 + [0])
    assert not set(first) & set(second)
    assert block_keys([1, 23] * 8 + [0]) != block_keys([12, 3] * 8 + [0])


def test_the_ends_of_prefixes_are_forgotten_before_their_beginnings() -> None:
    made = columns(width=64)
    keys = block_keys(range(3 * BLOCK + 1))
    cache = PrefixCache(limit_bytes=2 * BLOCK * SHAPE.column_bytes)
    cache.store(keys, made, 0)
    assert cache.known(keys) == 2
    assert cache.nbytes == cache.limit_bytes


def test_a_small_machine_gets_small_limits() -> None:
    small, large = EngineLimits.for_memory(6 << 30), EngineLimits.for_memory(1 << 40)
    assert 2 * (small.flight_bytes + small.prefix_bytes) <= (6 << 30) // 4
    assert large == EngineLimits()
