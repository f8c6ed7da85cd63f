"""What both trainings ask of the Hugging Face Trainer, and how it tells the caller where it is."""

from __future__ import annotations

import math
import time
from typing import TYPE_CHECKING, TypeVar

from transformers import TrainerCallback, TrainingArguments

from db.errors import StepforgeError
from services.training.optimizer import MasterAdamW
from services.training.progress import TrainingProgress

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    import torch
    from transformers import TrainerControl, TrainerState

    from services.training.hardware import Hardware

A = TypeVar("A", bound=TrainingArguments)


class TrainingDiverged(StepforgeError):
    """The loss is no number any more."""


def training_arguments(
    kind: type[A],
    *,
    hardware: Hardware,
    folder: Path,
    passes: tuple[int, int],
    epochs: int,
    learning_rate: float,
    seed: int,
) -> A:
    """Arguments of a training that writes nothing and reports to nobody.

    Args:
        kind: the Trainer's class of arguments.
        folder: an existing folder; the Trainer wants one, and leaves it empty.
        passes: examples a pass, passes an optimiser step.
    """
    arguments: A = kind(
        output_dir=str(folder),
        per_device_train_batch_size=passes[0],
        gradient_accumulation_steps=passes[1],
        num_train_epochs=epochs,
        learning_rate=learning_rate,
        lr_scheduler_type="linear",
        optim="adamw_torch_fused",
        weight_decay=0.0,
        max_grad_norm=1.0,
        seed=seed,
        data_seed=seed,
        use_cpu=hardware.on_cpu,
        bf16=hardware.autocast,
        fp16=False,
        gradient_checkpointing=not hardware.on_cpu,
        dataloader_pin_memory=not hardware.on_cpu,
        remove_unused_columns=False,
        include_num_input_tokens_seen="non_padding",
        logging_strategy="steps",
        logging_steps=1,
        logging_nan_inf_filter=False,
        save_strategy="no",
        eval_strategy="no",
        report_to="none",
        disable_tqdm=True,
        push_to_hub=False,
    )
    # Several GPUs in one process would mean DataParallel; more than one is for a launcher.
    arguments._n_gpu = min(arguments.n_gpu, 1)
    return arguments


def optimizer_of(
    hardware: Hardware, arguments: TrainingArguments
) -> tuple[type[torch.optim.Optimizer], dict[str, object]] | None:
    """The optimiser's class and arguments where the Trainer's own would lose updates."""
    if not hardware.keeps_masters:
        return None
    betas = (arguments.adam_beta1, arguments.adam_beta2)
    return MasterAdamW, {
        "lr": arguments.learning_rate,
        "betas": betas,
        "eps": arguments.adam_epsilon,
    }


class ProgressCallback(TrainerCallback):  # type: ignore[misc]
    """Tells the caller of each optimiser step and keeps the losses."""

    def __init__(self, progress: Callable[[TrainingProgress], None]) -> None:
        self._progress = progress
        self._started = time.monotonic()
        self.losses: list[float] = []

    @property
    def final_loss(self) -> float:
        """Mean over the last tenth of the steps."""
        tail = self.losses[-math.ceil(len(self.losses) / 10) :]
        return sum(tail) / len(tail)

    def on_train_begin(
        self,
        args: TrainingArguments,  # noqa: ARG002
        state: TrainerState,  # noqa: ARG002
        control: TrainerControl,  # noqa: ARG002
        **_: object,
    ) -> None:
        """Start the clock of the token rate."""
        self._started = time.monotonic()

    def on_log(
        self,
        args: TrainingArguments,  # noqa: ARG002
        state: TrainerState,
        control: TrainerControl,  # noqa: ARG002
        *,
        logs: dict[str, float],
        **_: object,
    ) -> None:
        """Pass a step on; the summary that the Trainer logs at the end has no loss.

        Raises:
            TrainingDiverged: the step's loss is infinite or not a number.
        """
        if "loss" not in logs:
            return
        loss = float(logs["loss"])
        if not math.isfinite(loss):
            raise TrainingDiverged(
                f"The loss of step {state.global_step} is {loss}. Lower the learning rate in the "
                "profile and run the stage again."
            )
        self.losses.append(loss)
        rate = state.num_input_tokens_seen / max(time.monotonic() - self._started, 1e-6)
        self._progress(TrainingProgress(state.global_step, state.max_steps, loss, rate))
