"""What the machine trains on, and in which arithmetic.

On a processor with bfloat16 instructions weights and activations are bfloat16 and the optimiser
keeps the weights in float32; on a GPU weights are float32 and autocast computes in bfloat16.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch

_CPU_INSTRUCTIONS = ("avx512_bf16", "amx_bf16", "bf16")
_CPU_TOKENS = 1024
"""Tokens a pass: their activations stay in the processor's cache."""
_GPU_TOKENS = 16384
_SHORT_TEXT = 1024
"""Tokens up to which attention by plain matrix products beats the processor's fused kernel."""


@dataclass(frozen=True, slots=True)
class Hardware:
    """Where a training runs."""

    on_cpu: bool
    weights: torch.dtype
    """What the model is loaded as."""
    autocast: bool
    """Whether the Trainer computes in bfloat16 over float32 weights."""
    tokens_a_pass: int
    """About how many tokens go through the model at once."""

    @property
    def keeps_masters(self) -> bool:
        """Whether the optimiser has to hold float32 copies of the weights."""
        return self.weights is torch.bfloat16

    def attention(self, longest: int) -> str:
        """The attention of transformers to load a model with, for texts of up to `longest` tokens.

        The fused kernel needs no memory for the weights of attention; on a processor it takes a
        quarter of the training of short texts, plain products half of that.
        """
        return "eager" if self.on_cpu and longest <= _SHORT_TEXT else "sdpa"

    def passes(self, batch_size: int, *, tokens_an_example: int) -> tuple[int, int]:
        """A batch as (examples a pass, passes an optimiser step); their product is the batch."""
        most = max(1, self.tokens_a_pass // max(1, tokens_an_example))
        size = max(k for k in range(1, min(most, batch_size) + 1) if batch_size % k == 0)
        return size, batch_size // size


def detect_hardware() -> Hardware:
    """The first GPU where there is one, else the CPU."""
    if torch.cuda.is_available():
        autocast = torch.cuda.is_bf16_supported()
        return Hardware(
            on_cpu=False, weights=torch.float32, autocast=autocast, tokens_a_pass=_GPU_TOKENS
        )
    able = torch.cpu.get_capabilities()
    fast = any(able.get(name, False) for name in _CPU_INSTRUCTIONS)
    return Hardware(
        on_cpu=True,
        weights=torch.bfloat16 if fast else torch.float32,
        autocast=False,
        tokens_a_pass=_CPU_TOKENS,
    )
