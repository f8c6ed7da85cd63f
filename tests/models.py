"""Tiny models as Hugging Face folders: real architectures, random weights, a byte-level tokenizer.

They are far below a million parameters, so a test loads one in milliseconds. What they write is
noise, but the same noise for the same seed, which is all that the engine's tests need.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from tokenizers import Tokenizer, decoders, models, pre_tokenizers
from transformers import (
    AutoModelForCausalLM,
    AutoModelForSequenceClassification,
    LlamaConfig,
    PretrainedConfig,
    PreTrainedTokenizerFast,
    Qwen3Config,
    set_seed,
)

from services.steps import STOPS

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

END = "<|endoftext|>"


def tiny_tokenizer(pieces: Sequence[str] = ()) -> PreTrainedTokenizerFast:
    """Byte-level: any text encodes, a byte a token, but each ending of a step is one token.

    So is each of the `pieces`, the longest where several begin alike.
    """
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    vocabulary = {symbol: index for index, symbol in enumerate(alphabet)}
    tokenizer = Tokenizer(models.BPE(vocab=vocabulary, merges=[]))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.add_tokens([*STOPS, *pieces])
    tokenizer.add_special_tokens([END])
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer, eos_token=END, pad_token=END)


def tiny_config(tokenizer: PreTrainedTokenizerFast, **changes: object) -> LlamaConfig:
    """A Llama of about 60 thousand parameters with grouped-query attention."""
    fields: Mapping[str, object] = {
        "vocab_size": len(tokenizer),
        "hidden_size": 48,
        "intermediate_size": 96,
        "num_hidden_layers": 3,
        "num_attention_heads": 6,
        "num_key_value_heads": 2,
        "max_position_embeddings": 1024,
        "bos_token_id": None,
        "eos_token_id": tokenizer.eos_token_id,
        "pad_token_id": tokenizer.pad_token_id,
        "initializer_range": 0.25,
        "tie_word_embeddings": True,
    }
    return LlamaConfig(**{**fields, **changes})


def save_tiny_policy(
    folder: Path, *, seed: int = 0, pieces: Sequence[str] = (), **changes: object
) -> Path:
    """Write a causal language model and its tokenizer; `changes` are fields of its config."""
    tokenizer = tiny_tokenizer(pieces)
    return _save(folder, tiny_config(tokenizer, **changes), tokenizer, seed=seed)


def save_tiny_qwen(folder: Path, *, seed: int = 0) -> Path:
    """Write a Qwen3: another architecture, with norms on queries and keys."""
    tokenizer = tiny_tokenizer()
    fields = tiny_config(tokenizer).to_dict()
    names = ("vocab_size", "hidden_size", "intermediate_size", "num_hidden_layers")
    more = ("num_attention_heads", "num_key_value_heads", "eos_token_id", "initializer_range")
    config = Qwen3Config(**{name: fields[name] for name in names + more}, head_dim=8)
    return _save(folder, config, tokenizer, seed=seed)


def save_tiny_ppm(folder: Path, *, seed: int = 0, **changes: object) -> Path:
    """Write a sequence classifier with one label and its tokenizer."""
    tokenizer = tiny_tokenizer()
    config = tiny_config(tokenizer, num_labels=1, **changes)
    set_seed(seed)
    model = AutoModelForSequenceClassification.from_config(config)
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


def _save(
    folder: Path, config: PretrainedConfig, tokenizer: PreTrainedTokenizerFast, *, seed: int
) -> Path:
    set_seed(seed)
    AutoModelForCausalLM.from_config(config).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder
