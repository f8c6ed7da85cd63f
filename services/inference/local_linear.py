"""Linear layers whose weights are laid out once for the processor's bfloat16 instructions.

PyTorch's own linear rearranges the weight at every call, which for batches of a hundred tokens
costs a third of the time. The operators are those that torch.compile itself emits for frozen
weights on a CPU; they are used directly because torch.compile needs a C++ compiler at run time.
"""

from __future__ import annotations

import torch

TYPICAL_TOKENS = 128
"""Batch the layout is chosen for."""


def packing_works(dtype: torch.dtype, device: torch.device) -> bool:
    """Whether weights of this type on this device can be packed."""
    return (
        device.type == "cpu"
        and dtype is torch.bfloat16
        and torch.backends.mkldnn.is_available()  # type: ignore[no-untyped-call]
        and hasattr(torch.ops.mkldnn, "_reorder_linear_weight")
        and hasattr(torch.ops.mkldnn, "_linear_pointwise")
        # A processor without AVX-512 computes in bfloat16, but not in this layout.
        and torch.ops.mkldnn._is_mkldnn_bf16_supported()
    )


class PackedLinear(torch.nn.Module):
    """Computes what the `torch.nn.Linear` it was made of computes; for inference only."""

    def __init__(self, linear: torch.nn.Linear) -> None:
        super().__init__()
        self.in_features = linear.in_features
        self.out_features = linear.out_features
        bias = linear.bias
        self._bias = None if bias is None else bias.detach()
        weight = linear.weight.detach()
        self._weight = torch.ops.mkldnn._reorder_linear_weight(weight, TYPICAL_TOKENS)

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        """[..., in_features] to [..., out_features]."""
        packed = torch.ops.mkldnn._linear_pointwise
        output: torch.Tensor = packed(inputs, self._weight, self._bias, "none", [], "")
        return output


def pack_linears(model: torch.nn.Module) -> None:
    """Replace every linear layer of a model by a packed one, in place."""
    for name, module in list(model.named_modules()):
        if type(module) is torch.nn.Linear:
            parent, _, child = name.rpartition(".")
            setattr(model.get_submodule(parent), child, PackedLinear(module))
