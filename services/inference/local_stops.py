"""Where a completion ends: a stop string in its text, the model's end of text, or its length."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from services.inference.local_jobs import (
    Completion,
    FinishReason,
    GenerationJob,
    GenerationOptions,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from services.inference.local_flight import FlyingPrompt, RunningCandidate
    from services.inference.local_model import LocalModel


@dataclass(frozen=True, slots=True)
class Finished:
    """A candidate that needs no further token."""

    prompt: FlyingPrompt
    candidate: RunningCandidate
    completion: Completion


def find_finished(
    grown: Sequence[tuple[FlyingPrompt, RunningCandidate]], model: LocalModel
) -> list[Finished]:
    """Those of the candidates that end with the token just added."""
    tails = model.decode([c.tokens[-_reach(_options(p)) :] for p, c in grown])
    finished: list[Finished] = []
    for (prompt, candidate), tail in zip(grown, tails, strict=True):
        completion = _completion(prompt, candidate, tail, model)
        if completion is not None:
            finished.append(Finished(prompt, candidate, completion))
    return finished


def _completion(
    prompt: FlyingPrompt, candidate: RunningCandidate, tail: str, model: LocalModel
) -> Completion | None:
    options, tokens = _options(prompt), candidate.tokens
    if tokens[-1] in model.end_tokens:
        text = model.decode([tokens[:-1]])[0]
        return Completion(text, tuple(tokens), FinishReason.STOP)
    if any(stop in tail for stop in options.stop):
        text, found = _cut(model.decode([tokens])[0], options)
        if found:
            return Completion(text, tuple(tokens), FinishReason.STOP)
    room = min(options.max_tokens, model.context - len(prompt.tokens))
    if len(tokens) >= room:
        return Completion(model.decode([tokens])[0], tuple(tokens), FinishReason.LENGTH)
    return None


def _cut(text: str, options: GenerationOptions) -> tuple[str, bool]:
    """The text up to its first stop string, and whether there is one."""
    places = [(text.find(stop), stop) for stop in options.stop if stop in text]
    if not places:
        return text, False
    place, stop = min(places)
    return text[: place + len(stop)] if options.include_stop else text[:place], True


def _reach(options: GenerationOptions) -> int:
    """How many last tokens can hold a stop string that the newest token completes.

    A token adds at least a byte; the one token more absorbs what a decoder strips at a beginning.
    """
    return 1 + max((len(stop.encode("utf-8", "replace")) for stop in options.stop), default=1)


def _options(prompt: FlyingPrompt) -> GenerationOptions:
    assert isinstance(prompt.job, GenerationJob)
    return prompt.job.options
