"""Model folders in and out of memory: loaded for training, frozen below, saved for the engines."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from transformers import (
    AutoModelForCausalLM,
    AutoModelForSequenceClassification,
    AutoTokenizer,
)

from services.errors import ConfigurationError, ModelError
from services.training.checkpoints import require_model

if TYPE_CHECKING:
    from pathlib import Path

    from transformers import PreTrainedModel, PreTrainedTokenizerBase

    from services.training.hardware import Hardware

STORED = torch.bfloat16
"""What a checkpoint's weights are stored as, and what the engines serve."""


def load_tokenizer(folder: Path) -> PreTrainedTokenizerBase:
    """The folder's tokenizer, padding on the right.

    Raises:
        ModelError: it has no end-of-sequence token, or cannot tell where its tokens are.
    """
    require_model(folder)
    tokenizer = AutoTokenizer.from_pretrained(folder, local_files_only=True)
    if tokenizer.eos_token_id is None or not tokenizer.is_fast:
        raise ModelError(
            f"The tokenizer of {folder} cannot be trained with: it needs an eos_token and a "
            "tokenizer.json. Add them to the folder."
        )
    if tokenizer.pad_token_id is None:
        tokenizer.pad_token = tokenizer.eos_token
    tokenizer.padding_side = "right"
    return tokenizer


def load_policy(folder: Path, hardware: Hardware, *, longest: int) -> PreTrainedModel:
    """The causal language model of a folder, for texts of at most `longest` tokens."""
    return AutoModelForCausalLM.from_pretrained(
        require_model(folder),
        dtype=hardware.weights,
        attn_implementation=hardware.attention(longest),
        local_files_only=True,
    )


def load_ppm(
    folder: Path, tokenizer: PreTrainedTokenizerBase, hardware: Hardware, *, longest: int
) -> PreTrainedModel:
    """A scorer with the trunk of a folder's model; its head, unless the folder has one, is new.

    A new head is zero: every text then scores 0, and no text begins where tanh is flat.
    """
    model, loading = AutoModelForSequenceClassification.from_pretrained(
        require_model(folder),
        num_labels=1,
        dtype=hardware.weights,
        attn_implementation=hardware.attention(longest),
        local_files_only=True,
        output_loading_info=True,
    )
    if "score.weight" in loading["missing_keys"]:
        torch.nn.init.zeros_(model.get_submodule("score").weight)
    model.config.pad_token_id = tokenizer.pad_token_id
    return model


def freeze_lower_layers(model: PreTrainedModel, count: int) -> None:
    """Keep the embeddings and the lowest `count` layers as they are; 0 freezes nothing.

    Backward then stops above them. With tied embeddings the output head is kept too.

    Raises:
        ConfigurationError: the model has too few layers, or none that can be counted.
    """
    if count == 0:
        return
    layers = getattr(model.base_model, "layers", None)
    if layers is None or count >= len(layers):
        found = "no list of layers" if layers is None else f"{len(layers)} layers"
        raise ConfigurationError(
            f"frozen_layers is {count}, but {type(model).__name__} has {found}. Give a lower "
            "number in the profile; 0 trains everything."
        )
    model.get_input_embeddings().requires_grad_(False)
    for layer in layers[:count]:
        layer.requires_grad_(False)


def save_model(model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, folder: Path) -> None:
    """Write weights, config and tokenizer as transformers and vLLM load them."""
    model.to(STORED)
    model.config.use_cache = True
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
