"""What the PPM says of steps. One that its context does not hold has no score; its siblings do."""

from __future__ import annotations

from typing import TYPE_CHECKING

from services.errors import PromptTooLong

if TYPE_CHECKING:
    from collections.abc import Sequence

    from services.search.protocols import ValueModel


async def scores_of(value: ValueModel, prompts: Sequence[str]) -> list[float | None]:
    """One score in [-1, 1] for each prompt; None where the prompt is too long for the PPM.

    Raises:
        InfrastructureError: the PPM failed.
    """
    try:
        return list(await value.score(prompts))
    except PromptTooLong:
        # A server refuses a batch as a whole and does not say which of it was too long.
        return [await _score_of(value, prompt) for prompt in prompts]


async def _score_of(value: ValueModel, prompt: str) -> float | None:
    try:
        (score,) = await value.score([prompt])
    except PromptTooLong:
        return None
    return score
