"""How a batch is cut into passes."""

from __future__ import annotations

import pytest
import torch

from services.training.hardware import Hardware, detect_hardware

HARDWARE = Hardware(on_cpu=True, weights=torch.bfloat16, autocast=False, tokens_a_pass=1000)


@pytest.mark.parametrize(
    ("batch_size", "tokens", "expected"),
    [(8, 100, (8, 1)), (8, 250, (4, 2)), (8, 300, (2, 4)), (7, 300, (1, 7)), (8, 5000, (1, 8))],
)
def test_passes_make_up_the_batch_and_fit(
    batch_size: int, tokens: int, expected: tuple[int, int]
) -> None:
    assert HARDWARE.passes(batch_size, tokens_an_example=tokens) == expected


def test_masters_are_kept_for_half_weights_alone() -> None:
    assert HARDWARE.keeps_masters
    found = detect_hardware()
    assert found.keeps_masters == (found.weights is torch.bfloat16)
    assert not (found.autocast and found.keeps_masters)


def test_long_texts_on_a_processor_get_the_attention_that_needs_no_memory() -> None:
    assert HARDWARE.attention(300) == "eager"
    assert HARDWARE.attention(4096) == "sdpa"
