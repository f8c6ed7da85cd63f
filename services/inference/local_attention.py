"""Attention of a mixed batch over the columns of its prompts, for any Hugging Face causal model.

All tokens of a batch are one row for the model, [1, tokens, hidden]: decoding candidates first,
then new prompt tokens. The registered attention function writes each token's key and value to its
column and lets it attend to the columns it may see. Queries of one slot (its candidates, times the
query heads of a key-value head) form one matrix, so the prompt's columns are read once for all.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from transformers import AttentionInterface

from services.errors import ModelError

if TYPE_CHECKING:
    from services.inference.local_columns import KvColumns

IMPLEMENTATION = "stepforge"
"""The name under which transformers knows the attention function."""


@dataclass(frozen=True, slots=True)
class Section:
    """Consecutive slots whose tokens attend together, as a padded [slots, rows] grid."""

    first_slot: int
    slots: int
    rows: int
    gather: torch.Tensor
    """[slots * rows]: the token of each grid cell; cells without one name any token."""
    scatter: torch.Tensor
    """[tokens of the section]: the grid cell of each token."""
    mask: torch.Tensor
    """[slots, rows, columns]: 0 where a token sees a column, else the dtype's lowest number."""


class Forward:
    """One forward pass: where its tokens are written and what they see."""

    def __init__(
        self,
        columns: KvColumns,
        sections: list[Section],
        *,
        token_slots: torch.Tensor,
        token_columns: torch.Tensor,
    ) -> None:
        """`token_slots` and `token_columns` are [tokens], in the order of the sections."""
        self._columns = columns
        self._sections = sections
        self._token_slots = token_slots
        self._token_columns = token_columns
        self._masks: list[torch.Tensor] = []

    def attend(
        self,
        layer: int,
        query: torch.Tensor,
        key: torch.Tensor,
        value: torch.Tensor,
        *,
        scaling: float,
    ) -> torch.Tensor:
        """Store the tokens' keys and values, then answer their queries.

        Keys and values are [1, kv heads, tokens, size], queries [1, heads, tokens, size].
        Returns [1, tokens, heads, size].
        """
        kv_heads, heads = key.shape[1], query.shape[1]
        if not self._masks:
            self._masks = [_expand(s.mask, kv_heads, heads // kv_heads) for s in self._sections]
        keys, values = self._columns.keys[layer], self._columns.values[layer]
        keys[self._token_slots, :, :, self._token_columns] = key[0].transpose(0, 1)
        values[self._token_slots, :, self._token_columns] = value[0].transpose(0, 1)
        queries = query[0].transpose(0, 1)
        outputs = [
            _attend_section(section, mask, queries, keys, values, scaling)
            for section, mask in zip(self._sections, self._masks, strict=True)
        ]
        return (outputs[0] if len(outputs) == 1 else torch.cat(outputs)).unsqueeze(0)


def _expand(mask: torch.Tensor, kv_heads: int, group: int) -> torch.Tensor:
    """[slots, rows, columns] to [slots * kv heads, rows * group, columns]."""
    slots, rows, columns = mask.shape
    shape = (slots, kv_heads, rows, group, columns)
    return mask[:, None, :, None, :].expand(shape).reshape(slots * kv_heads, rows * group, columns)


def _attend_section(
    section: Section,
    mask: torch.Tensor,
    queries: torch.Tensor,
    keys: torch.Tensor,
    values: torch.Tensor,
    scaling: float,
) -> torch.Tensor:
    """Attention of [tokens, heads, size] queries; returns [tokens of the section, heads, size]."""
    heads, size = queries.shape[1:]
    kv_heads, width = keys.shape[1], mask.shape[2]
    slots, rows, group = section.slots, section.rows, heads // kv_heads
    used = slice(section.first_slot, section.first_slot + slots)
    grid = queries.index_select(0, section.gather).view(slots, rows, kv_heads, group, size)
    grid = grid.transpose(1, 2).reshape(slots * kv_heads, rows * group, size)
    key = keys[used].view(slots * kv_heads, size, -1)[:, :, :width]
    value = values[used].view(slots * kv_heads, -1, size)[:, :width]
    scores = torch.add(mask, torch.bmm(grid, key), alpha=scaling)
    # Computed in single precision inside; only the weights are rounded to the values' type.
    weights = torch.softmax(scores, dim=-1)
    output = torch.bmm(weights, value).view(slots, kv_heads, rows, group, size)
    output = output.transpose(1, 2).reshape(slots * rows, heads, size)
    return output.index_select(0, section.scatter)


def _registered_attention(
    module: torch.nn.Module,
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    attention_mask: torch.Tensor | None,  # noqa: ARG001
    scaling: float | None = None,
    stepforge_forward: Forward | None = None,
    **options: object,
) -> tuple[torch.Tensor, None]:
    """The function that transformers calls in each attention layer.

    Raises:
        ModelError: the architecture wants attention that this function does not compute.
    """
    changed = [name for name in ("softcap", "s_aux") if options.get(name) is not None]
    layer = getattr(module, "layer_idx", None)
    if changed or stepforge_forward is None or not isinstance(layer, int):
        raise ModelError(
            f"The local engine cannot compute {type(module).__name__}"
            f"{' with ' + ', '.join(changed) if changed else ''}. "
            "Serve this model with vLLM and set STEPFORGE_POLICY_URL or STEPFORGE_PPM_URL."
        )
    scaling = query.shape[-1] ** -0.5 if scaling is None else scaling
    return stepforge_forward.attend(layer, query, key, value, scaling=scaling), None


AttentionInterface.register(IMPLEMENTATION, _registered_attention)
