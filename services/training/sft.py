"""Supervised fine-tuning of a policy on verified trajectories (rStar-Math section 3.4).

Only the tokens that the policy itself wrote are learned: neither the question, nor what a program
printed, nor the text that the search puts between steps.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from datasets import Dataset
from transformers import PrinterCallback, set_seed
from trl import SFTConfig, SFTTrainer

from services.errors import DatasetEmpty
from services.training.checkpoints import content_hash, publishing, require_model, weight_bytes
from services.training.encoding import encode_solution
from services.training.hardware import detect_hardware
from services.training.losses import labelled_positions, token_loss
from services.training.memory import keeping_freed_memory
from services.training.models import freeze_lower_layers, load_policy, load_tokenizer, save_model
from services.training.progress import TrainingReport
from services.training.quiet import quiet_libraries
from services.training.trainers import (
    ProgressCallback,
    optimizer_of,
    training_arguments,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    import torch
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

    from services.profiles import SftProfile
    from services.training.encoding import EncodedSolution
    from services.training.progress import TrainingProgress


@dataclass(frozen=True, slots=True)
class SftExample:
    """A verified trajectory as text."""

    prompt: str
    """`services.steps.root_prompt` of the question."""
    completion: str
    """The segments of the steps, as `services.steps.segment` gives them."""


def train_policy(
    start: Path,
    examples: Sequence[SftExample],
    *,
    out: Path,
    settings: SftProfile,
    seed: int,
    progress: Callable[[TrainingProgress], None],
) -> TrainingReport:
    """Train the model in `start` on `examples` and publish it as the folder `out`.

    An example longer than `settings.max_length` tokens is cut there. The same arguments on the same
    machine give the same weights.

    Args:
        out: does not exist yet; its parent does. It appears when it is complete, or never.
        progress: called after every optimiser step; an exception of it ends the training.

    Raises:
        ModelError: `start` is not a model.
        DatasetEmpty: no example has anything to learn within `max_length`.
        DiskFull: there is no room for `out`.
        TrainingDiverged: the loss became infinite or not a number.
        ConfigurationError: `out` exists, or `frozen_layers` is more than the model has.
    """
    began = time.monotonic()
    require_model(start)
    with quiet_libraries(), publishing(out, expected_bytes=weight_bytes(start)) as draft:
        tokenizer = load_tokenizer(start)
        encoded = _encode(tokenizer, examples, settings.max_length)
        callback = ProgressCallback(progress)
        trainer = _trainer(start, tokenizer, encoded, draft, settings, seed, callback)
        with keeping_freed_memory():
            trainer.train()
        save_model(trainer.model, tokenizer, draft)
    return TrainingReport(
        path=out,
        examples=len(encoded),
        tokens=trainer.state.num_input_tokens_seen,
        steps=trainer.state.global_step,
        final_loss=callback.final_loss,
        seconds=time.monotonic() - began,
        content_hash=content_hash(out),
    )


def _encode(
    tokenizer: PreTrainedTokenizerBase, examples: Sequence[SftExample], max_length: int
) -> list[EncodedSolution]:
    solutions = [
        encode_solution(tokenizer, prompt=example.prompt, completion=example.completion)
        for example in examples
    ]
    encoded = [x.within(max_length) for x in solutions if x.within(max_length).teaches]
    if not encoded:
        raise DatasetEmpty(
            f"None of the {len(examples)} examples has a token to learn within {max_length} tokens."
            " Raise max_length in the profile, or run the rounds on more problems."
        )
    return encoded


def _trainer(
    start: Path,
    tokenizer: PreTrainedTokenizerBase,
    encoded: Sequence[EncodedSolution],
    folder: Path,
    settings: SftProfile,
    seed: int,
    callback: ProgressCallback,
) -> _PolicyTrainer:
    hardware = detect_hardware()
    set_seed(seed)
    longest = max(len(x.input_ids) for x in encoded)
    model = load_policy(start, hardware, longest=longest)
    freeze_lower_layers(model, settings.frozen_layers)
    arguments = training_arguments(
        SFTConfig,
        hardware=hardware,
        folder=folder,
        passes=hardware.passes(settings.batch_size, tokens_an_example=longest),
        epochs=settings.epochs,
        learning_rate=settings.learning_rate,
        seed=seed,
    )
    arguments.train_sampling_strategy = "group_by_length"
    # The examples are tokens already, with labels that TRL's own preparation does not know.
    arguments.dataset_kwargs = {"skip_prepare_dataset": True}
    rows = [{"input_ids": x.input_ids, "labels": x.labels} for x in encoded]
    trainer = _PolicyTrainer(
        model,
        arguments,
        train_dataset=Dataset.from_list(rows),
        processing_class=tokenizer,
        callbacks=[callback],
        optimizer_cls_and_kwargs=optimizer_of(hardware, arguments),
    )
    trainer.remove_callback(PrinterCallback)
    return trainer


class _PolicyTrainer(SFTTrainer):  # type: ignore[misc]
    """TRL's trainer; on a processor, where its fused kernel is absent, with a loss that is lean."""

    def compute_loss(
        self,
        model: PreTrainedModel,
        inputs: dict[str, torch.Tensor],
        return_outputs: bool = False,
        num_items_in_batch: torch.Tensor | int | None = None,
    ) -> torch.Tensor:
        """Mean loss of the labelled tokens; TRL's own where there is a GPU.

        The output head sees the labelled positions only. No attention mask is needed: padding is
        on the right, where a causal model does not look.
        """
        if self.args.device.type != "cpu" or return_outputs:
            loss: torch.Tensor = super().compute_loss(
                model, inputs, return_outputs, num_items_in_batch
            )
            return loss
        hidden = model.base_model(input_ids=inputs["input_ids"], use_cache=False).last_hidden_state
        mask, labels = labelled_positions(inputs["labels"])
        logits = model.get_output_embeddings()(hidden[:, :-1][mask])
        return token_loss(logits, labels, count=num_items_in_batch)
