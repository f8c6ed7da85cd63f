"""What a training says while it runs and when it is done; plain numbers, no library's objects."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path


@dataclass(frozen=True, slots=True)
class TrainingProgress:
    """A finished optimiser step."""

    step: int
    """From 1 to `total_steps`."""
    total_steps: int
    loss: float
    """Mean over the step's batch."""
    tokens_per_second: float
    """Tokens read since the training began, padding not counted."""


@dataclass(frozen=True, slots=True)
class TrainingReport:
    """A trained and published policy."""

    path: Path
    examples: int
    """Examples that were trained on; one with no label within `max_length` is left out."""
    tokens: int
    """Tokens read in all epochs, prompts included, padding not."""
    steps: int
    """Optimiser steps."""
    final_loss: float
    """Mean over the last tenth of the steps."""
    seconds: float
    """Wall time from loading the start to the published folder."""
    content_hash: str
    """As `services.training.checkpoints.content_hash` gives it."""


@dataclass(frozen=True, slots=True)
class PpmReport:
    """A trained and published PPM."""

    path: Path
    pairs: int
    """Pairs that were trained on; one with a text longer than `max_length` is left out."""
    groups: int
    """Steps that these pairs belong to."""
    held_out_pairs: int
    tokens: int
    steps: int
    final_loss: float
    accuracy_before: float | None
    """Share of the held-out pairs whose chosen text scores higher, a tie counting half; None
    without held-out pairs."""
    accuracy_after: float | None
    seconds: float
    content_hash: str
