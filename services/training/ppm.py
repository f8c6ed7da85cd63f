"""Training of the process preference model on preference pairs (rStar-Math section 3.4).

A text's score is r = tanh(raw), raw the output of a one-label sequence classifier at the text's
last token; the same at inference. A profile may have the loss compare the raw outputs instead. Each
text of a step is read once, however many pairs it is in.
"""

from __future__ import annotations

import time
from functools import partial
from typing import TYPE_CHECKING

import torch
from transformers import PrinterCallback, Trainer, TrainingArguments, set_seed

from services.errors import DatasetEmpty
from services.profiles import PpmHead
from services.training.checkpoints import content_hash, publishing, require_model, weight_bytes
from services.training.hardware import detect_hardware
from services.training.losses import pair_accuracy, pair_loss
from services.training.memory import keeping_freed_memory
from services.training.models import freeze_lower_layers, load_ppm, load_tokenizer, save_model
from services.training.preferences import PreferenceExample, collate, steps_of
from services.training.progress import PpmReport
from services.training.quiet import quiet_libraries
from services.training.trainers import (
    ProgressCallback,
    optimizer_of,
    training_arguments,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from transformers import PreTrainedModel, PreTrainedTokenizerBase

    from services.profiles import PpmProfile
    from services.training.preferences import PairBatch, StepPairs
    from services.training.progress import TrainingProgress

__all__ = ["PreferenceExample", "train_ppm"]

_EVALUATED_STEPS = 2
"""Steps a pass while pairs are only scored."""


def train_ppm(
    start: Path,
    examples: Sequence[PreferenceExample],
    held_out: Sequence[PreferenceExample],
    *,
    out: Path,
    settings: PpmProfile,
    seed: int,
    progress: Callable[[TrainingProgress], None],
) -> PpmReport:
    """Train a PPM from the policy in `start` and publish it as the folder `out`.

    Args:
        start: a policy, whose trunk is taken, or a PPM, whose head is taken too.
        held_out: pairs that only measure the accuracy; may be empty.
        out: does not exist yet; its parent does. It appears when it is complete, or never.
        progress: called after every optimiser step; an exception of it ends the training.

    Raises:
        ModelError: `start` is not a model.
        DatasetEmpty: no pair fits into `max_length`.
        DiskFull: there is no room for `out`.
        TrainingDiverged: the loss became infinite or not a number.
        ConfigurationError: `out` exists, or `frozen_layers` is more than the model has.
    """
    began = time.monotonic()
    require_model(start)
    with quiet_libraries(), publishing(out, expected_bytes=weight_bytes(start)) as draft:
        tokenizer = load_tokenizer(start)
        steps = steps_of(tokenizer, examples, max_length=settings.max_length)
        if not steps:
            raise DatasetEmpty(
                f"None of the {len(examples)} preference pairs fits into {settings.max_length} "
                "tokens. Raise max_length in the profile, or search with more rollouts."
            )
        unseen = steps_of(tokenizer, held_out, max_length=settings.max_length)
        callback = ProgressCallback(progress)
        trainer = _trainer(start, tokenizer, steps, draft, settings, seed, callback)
        with keeping_freed_memory():
            before = _accuracy(trainer, unseen)
            trainer.train()
            after = _accuracy(trainer, unseen)
        save_model(trainer.model, tokenizer, draft)
    return PpmReport(
        path=out,
        pairs=sum(len(step.chosen) for step in steps),
        groups=len(steps),
        held_out_pairs=sum(len(step.chosen) for step in unseen),
        tokens=trainer.state.num_input_tokens_seen,
        steps=trainer.state.global_step,
        final_loss=callback.final_loss,
        accuracy_before=before,
        accuracy_after=after,
        seconds=time.monotonic() - began,
        content_hash=content_hash(out),
    )


def _trainer(
    start: Path,
    tokenizer: PreTrainedTokenizerBase,
    steps: Sequence[StepPairs],
    folder: Path,
    settings: PpmProfile,
    seed: int,
    callback: ProgressCallback,
) -> _PpmTrainer:
    hardware = detect_hardware()
    set_seed(seed)
    longest = max(len(text) for step in steps for text in step.texts)
    model = load_ppm(start, tokenizer, hardware, longest=longest)
    freeze_lower_layers(model, settings.frozen_layers)
    largest = max(sum(len(text) for text in step.texts) for step in steps)
    arguments = training_arguments(
        TrainingArguments,
        hardware=hardware,
        folder=folder,
        passes=hardware.passes(settings.batch_size, tokens_an_example=largest),
        epochs=settings.epochs,
        learning_rate=settings.learning_rate,
        seed=seed,
    )
    trainer = _PpmTrainer(
        model,
        arguments,
        data_collator=partial(collate, pad_token_id=tokenizer.pad_token_id),
        train_dataset=list(steps),
        callbacks=[callback],
        optimizer_cls_and_kwargs=optimizer_of(hardware, arguments),
    )
    trainer.head = settings.head
    trainer.remove_callback(PrinterCallback)
    return trainer


class _PpmTrainer(Trainer):  # type: ignore[misc]
    """The Trainer with the pairwise loss; a batch is a number of steps with all their pairs."""

    head = PpmHead.TANH

    def compute_loss(
        self,
        model: PreTrainedModel,
        inputs: PairBatch,
        return_outputs: bool = False,
        num_items_in_batch: torch.Tensor | int | None = None,
    ) -> torch.Tensor:
        """The pass's mean over its steps; the Trainer averages the passes of a batch."""
        del return_outputs, num_items_in_batch
        scores = score(model, inputs, self.head)
        return pair_loss(scores[inputs["chosen"]], scores[inputs["rejected"]], inputs["groups"])


def score(model: PreTrainedModel, batch: PairBatch, head: PpmHead = PpmHead.TANH) -> torch.Tensor:
    """r of each text of a batch, [texts], in [-1, 1]; unbounded where the head is read raw."""
    logits = model(input_ids=batch["input_ids"], attention_mask=batch["attention_mask"]).logits
    raw = logits[:, 0].float()
    return raw if head is PpmHead.RAW else torch.tanh(raw)


@torch.no_grad()
def _accuracy(trainer: _PpmTrainer, steps: Sequence[StepPairs]) -> float | None:
    """Pair accuracy of the trainer's model; None for no pairs."""
    if not steps:
        return None
    model = trainer.model.eval()
    chosen: list[torch.Tensor] = []
    rejected: list[torch.Tensor] = []
    for first in range(0, len(steps), _EVALUATED_STEPS):
        some = steps[first : first + _EVALUATED_STEPS]
        batch: PairBatch = trainer._prepare_inputs(trainer.data_collator(some))
        scores = score(model, batch)
        chosen.append(scores[batch["chosen"]])
        rejected.append(scores[batch["rejected"]])
    return pair_accuracy(torch.cat(chosen), torch.cat(rejected))
