"""A Hugging Face folder as the local engine runs it: tokens in, logits or scores out."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Any

import safetensors
import torch
import transformers

from services.errors import ModelError
from services.inference.local_attention import IMPLEMENTATION, Forward
from services.inference.local_columns import KvShape
from services.inference.local_linear import pack_linears, packing_works

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

UNBOUNDED = 1 << 30
REMEDY = "Give a folder that save_pretrained wrote, with config.json, weights and tokenizer."


class Head(StrEnum):
    """What a model says of a token."""

    LOGITS = "logits"
    SCORE = "score"


@dataclass(frozen=True, slots=True)
class LocalModel:
    """A loaded model. Nothing of it changes after `load_model`."""

    folder: Path
    head: Head
    kv_shape: KvShape
    context: int
    """Longest sequence, in tokens, prompt and completion together."""
    end_tokens: frozenset[int]
    tokenizer: transformers.PreTrainedTokenizerFast
    module: torch.nn.Module

    def encode(self, text: str) -> list[int]:
        """Token ids of a prompt, with the special tokens that the tokenizer adds by itself."""
        ids: list[int] = self.tokenizer(text).input_ids
        return ids

    def decode(self, sequences: Sequence[Sequence[int]]) -> list[str]:
        """Texts of token sequences; special tokens are left out, bad UTF-8 is replaced."""
        backend = self.tokenizer.backend_tokenizer
        texts: list[str] = backend.decode_batch([list(ids) for ids in sequences])
        return texts

    def forward(
        self, tokens: torch.Tensor, positions: torch.Tensor, plan: Forward, wanted: torch.Tensor
    ) -> torch.Tensor:
        """Run a batch and answer for the wanted tokens.

        Args:
            tokens: token ids, [tokens].
            positions: place of each token in its sequence, [tokens].
            plan: the columns that the tokens write and see.
            wanted: indices into the batch, [answers].

        Returns:
            [answers, vocabulary] logits, or [answers, 1] raw scores.
        """
        inputs: dict[str, Any] = {
            "input_ids": tokens.unsqueeze(0),
            "position_ids": positions.unsqueeze(0),
            "use_cache": False,
            "stepforge_forward": plan,
        }
        if self.head is Head.LOGITS:
            logits: torch.Tensor = self.module(**inputs, logits_to_keep=wanted).logits[0]
            return logits
        trunk = self.module.get_submodule(str(self.module.base_model_prefix))
        hidden = trunk(**inputs).last_hidden_state[0].index_select(0, wanted)
        scores: torch.Tensor = self.module.get_submodule("score")(hidden)
        return scores.float()


def best_device() -> torch.device:
    """CUDA where there is a GPU, else the CPU."""
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


def best_dtype(device: torch.device) -> torch.dtype:
    """bfloat16 where the hardware multiplies it faster than float32, else float32."""
    if device.type == "cuda":
        return torch.bfloat16 if torch.cuda.is_bf16_supported() else torch.float32
    able = torch.cpu.get_capabilities()
    fast = any(able.get(name, False) for name in ("avx512_bf16", "amx_bf16", "bf16"))
    return torch.bfloat16 if fast else torch.float32


def load_model(
    folder: Path, *, device: torch.device | None = None, dtype: torch.dtype | None = None
) -> LocalModel:
    """Load a causal language model or a one-label sequence classifier.

    Without `dtype` it computes in what its device does best, except a model whose config says
    float64: that is served in float64, so that the text of a seed does not depend on its batch.

    Raises:
        ModelError: the folder is missing, is not such a model, or the engine cannot run it.
    """
    device = device or best_device()
    if not (folder / "config.json").is_file():
        raise ModelError(f"There is no model in {folder}: no config.json. {REMEDY}")
    transformers.utils.logging.set_verbosity_error()
    transformers.utils.logging.disable_progress_bar()
    try:
        config = transformers.AutoConfig.from_pretrained(folder)
        head = _head(config)
        dtype = dtype or _served_dtype(config, device)
        loader = {
            Head.LOGITS: transformers.AutoModelForCausalLM,
            Head.SCORE: transformers.AutoModelForSequenceClassification,
        }[head]
        module = loader.from_pretrained(folder, dtype=dtype, attn_implementation=IMPLEMENTATION)
        tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
    except (
        *(OSError, ValueError, KeyError, RuntimeError, ImportError),
        safetensors.SafetensorError,
    ) as error:
        raise ModelError(f"The model in {folder} cannot be loaded: {error} {REMEDY}") from error
    if getattr(tokenizer, "backend_tokenizer", None) is None:
        raise ModelError(f"The model in {folder} has no tokenizer.json. {REMEDY}")
    module.eval().requires_grad_(False).to(device)
    if packing_works(dtype, device):
        pack_linears(module)
    return LocalModel(
        folder=folder,
        head=head,
        kv_shape=_kv_shape(config, dtype, device),
        context=_context(config),
        end_tokens=_end_tokens(module, tokenizer),
        tokenizer=tokenizer,
        module=module,
    )


def _served_dtype(config: transformers.PretrainedConfig, device: torch.device) -> torch.dtype:
    """Double precision where the config asks for it, else the best of the device.

    A batch's size and neighbours change the order of sums. The rounding errors of that now and
    then change which token a quantile falls on; those of double precision are too small to.
    """
    return torch.float64 if config.dtype is torch.float64 else best_dtype(device)


def _head(config: transformers.PretrainedConfig) -> Head:
    names = config.architectures or [""]
    if names[0].endswith("ForCausalLM"):
        return Head.LOGITS
    if names[0].endswith("ForSequenceClassification") and config.num_labels == 1:
        return Head.SCORE
    raise ValueError(
        f"its architecture is {names[0] or 'unnamed'} with {config.num_labels} labels, not a "
        "*ForCausalLM or a *ForSequenceClassification with num_labels=1."
    )


def _kv_shape(
    config: transformers.PretrainedConfig, dtype: torch.dtype, device: torch.device
) -> KvShape:
    heads = config.num_attention_heads
    size = getattr(config, "head_dim", None) or config.hidden_size // heads
    kv_heads = getattr(config, "num_key_value_heads", None) or heads
    return KvShape(config.num_hidden_layers, kv_heads, size, dtype, device)


def _context(config: transformers.PretrainedConfig) -> int:
    """Within one sliding window attention is full, so a window is simply a shorter context."""
    kinds: list[str] | None = getattr(config, "layer_types", None)
    window: int = getattr(config, "sliding_window", None) or UNBOUNDED
    longest: int = getattr(config, "max_position_embeddings", None) or UNBOUNDED
    slides = kinds is None or "sliding_attention" in kinds
    return min(longest, window) if slides else longest


def _end_tokens(
    module: torch.nn.Module, tokenizer: transformers.PreTrainedTokenizerFast
) -> frozenset[int]:
    generation = getattr(module, "generation_config", None)
    named = getattr(generation, "eos_token_id", None)
    several = named if isinstance(named, list) else [named]
    return frozenset(token for token in (*several, tokenizer.eos_token_id) if token is not None)
