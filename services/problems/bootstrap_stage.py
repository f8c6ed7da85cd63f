"""The bootstrap: a first training set of code-augmented solutions that ran and gave the answer."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from services.stages import RunContext


def has_endpoint(context: RunContext) -> bool:
    """Whether a stronger model's endpoint is the bootstrap policy, so that none is trained."""
    return bool(context.settings.bootstrap_url)
