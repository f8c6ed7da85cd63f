"""Runs and their rounds."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime


@dataclass(frozen=True, slots=True)
class RunRow:
    id: int
    name: str
    profile: Mapping[str, object]
    base_model: str
    created_at: datetime


@dataclass(frozen=True, slots=True)
class RoundRow:
    id: int
    run_id: int
    number: int
    policy_checkpoint_id: int | None
    ppm_checkpoint_id: int | None
    finished_at: datetime | None
