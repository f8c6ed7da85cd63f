"""A prompt that a PPM's context does not hold costs its own path its prior, and no sibling's."""

from __future__ import annotations

from collections.abc import Sequence

from services.errors import PromptTooLong
from services.search.priors import scores_of


class ShortPpm:
    """Scores texts of up to five characters, and refuses a batch with a longer one as a whole."""

    async def score(self, prompts: Sequence[str]) -> list[float]:
        if any(len(prompt) > 5 for prompt in prompts):
            raise PromptTooLong("too long")
        return [len(prompt) / 10 for prompt in prompts]


async def test_of_a_batch_only_what_is_too_long_has_no_score() -> None:
    assert await scores_of(ShortPpm(), ["a", "too long", "abc"]) == [0.1, None, 0.3]
