"""The policy and the PPM over HTTP: vLLM in production, the local model server on one machine."""

from __future__ import annotations

import math
import zlib
from typing import TYPE_CHECKING

from services.inference.http import ModelServers, Patience
from services.inference.openai_api import (
    ClassifyAnswer,
    ClassifyRequest,
    CompletionAnswer,
    CompletionChoice,
    CompletionRequest,
    ModelList,
)
from services.steps import STOPS, Candidate, clean

if TYPE_CHECKING:
    from collections.abc import Sequence

    from services.profiles import Sampling

PREFIX_CHARACTERS = 200
"""Prompts that agree in so many characters are taken to be of one problem."""
CHARACTERS_A_TOKEN = 64
"""More than a token ever has on average; a longer text than that is one of a server that does not
keep to its limit, and is cut to it."""
SEED_LIMIT = 1 << 63
"""Seeds of the API are signed 64-bit numbers."""


class _Client(ModelServers):
    async def check(self) -> list[str]:
        """Names of the models that the first replica serves; `stepforge status` shows them.

        Raises:
            PolicyUnavailable: it cannot be reached.
        """
        answer = await self.ask("/v1/models", None, ModelList)
        return [card.id for card in answer.data]


class HttpPolicy(_Client):
    """Proposes steps with an OpenAI-compatible completions server."""

    def __init__(
        self,
        urls: Sequence[str],
        *,
        model: str,
        sampling: Sampling,
        api_key: str = "",
        prompt_prefix: str = "",
        patience: Patience | None = None,
        setting: str = "STEPFORGE_POLICY_URL",
    ) -> None:
        """`prompt_prefix` stands before every prompt and is no part of the solution: examples."""
        patience = patience or Patience()
        super().__init__(urls, model=model, api_key=api_key, patience=patience, setting=setting)
        self._sampling = sampling
        self._prefix = prompt_prefix

    async def propose(
        self, prompt: str, *, count: int, seed: int, affinity: int
    ) -> list[Candidate]:
        """`count` candidates for the step after a prompt.

        Requests with the same affinity go to the same replica, whose prefix cache knows the tree.

        Raises:
            PromptTooLong: the model's context does not hold a prompt.
            PolicyUnavailable: no replica answered in time, or the server refused.
        """
        request = CompletionRequest(
            model=self._model,
            prompt=clean(self._prefix + prompt),
            n=count,
            temperature=self._sampling.temperature,
            top_p=self._sampling.top_p,
            max_tokens=self._sampling.max_step_tokens,
            stop=STOPS,
            include_stop_str_in_output=True,
            seed=seed % SEED_LIMIT,
            return_token_ids=True,
        )
        answer = await self.ask(
            "/v1/completions",
            request,
            CompletionAnswer,
            affinity=affinity,
            accept=lambda it: [c.index for c in _ordered(it)] == list(range(count)),
        )
        return _candidates(answer, longest=CHARACTERS_A_TOKEN * self._sampling.max_step_tokens)


class HttpPpm(_Client):
    """Scores prefixes of solutions with a classification server."""

    def __init__(
        self,
        urls: Sequence[str],
        *,
        model: str,
        api_key: str = "",
        scale: float = 1.0,
        patience: Patience | None = None,
        setting: str = "STEPFORGE_PPM_URL",
    ) -> None:
        """`scale` is what the raw score is divided by before its tanh is taken; above 0."""
        patience = patience or Patience()
        super().__init__(urls, model=model, api_key=api_key, patience=patience, setting=setting)
        self._scale = scale

    async def score(self, prompts: Sequence[str]) -> list[float]:
        """tanh(r / scale) of the head's raw score r, in [-1, 1] (rStar-Math section 3.3: scale 1).

        Prompts that begin alike go to the same replica.

        Raises:
            PromptTooLong: the model's context does not hold a prompt.
            PolicyUnavailable: no replica answered in time, or the server refused.
        """
        if not prompts:
            return []
        texts = tuple(clean(prompt) for prompt in prompts)
        answer = await self.ask(
            "/classify",
            ClassifyRequest(model=self._model, input=texts, use_activation=False),
            ClassifyAnswer,
            affinity=zlib.crc32(texts[0][:PREFIX_CHARACTERS].encode()),
            accept=lambda it: (
                sorted(entry.index for entry in it.data) == list(range(len(texts)))
                and all(math.isfinite(entry.probs[0]) for entry in it.data)
            ),
        )
        entries = sorted(answer.data, key=lambda entry: entry.index)
        return [math.tanh(entry.probs[0] / self._scale) for entry in entries]


def _ordered(answer: CompletionAnswer) -> list[CompletionChoice]:
    return sorted(answer.choices, key=lambda choice: choice.index)


def _candidates(answer: CompletionAnswer, *, longest: int) -> list[Candidate]:
    choices = _ordered(answer)
    texts = [_text(choice)[:longest] for choice in choices]
    characters = sum(len(text) for text in texts) or 1
    tokens = answer.usage.completion_tokens
    return [
        Candidate(
            text=text,
            # A server that names no tokens still says how many there were in all.
            tokens=len(choice.token_ids)
            if choice.token_ids is not None
            else round(tokens * len(text) / characters),
        )
        for choice, text in zip(choices, texts, strict=True)
    ]


def _text(choice: CompletionChoice) -> str:
    """The text with its ending, also from servers that leave it out and say so apart."""
    reason, text = choice.stop_reason, clean(choice.text)
    if isinstance(reason, str) and reason in STOPS and not text.endswith(reason):
        return text + reason
    return text
