"""What the local engine is asked and what it answers; a job's future is resolved exactly once."""

from __future__ import annotations

from concurrent.futures import Future
from dataclasses import dataclass, field
from enum import StrEnum

from db.errors import StepforgeError


class RequestRefused(StepforgeError):
    """The request can never be answered by this model; the caller must change it."""


class FinishReason(StrEnum):
    """Why a completion ended, in the words of the OpenAI API."""

    STOP = "stop"  # a stop string, or the model's own end of text
    LENGTH = "length"  # max_tokens, or the model's context


@dataclass(frozen=True, slots=True)
class GenerationOptions:
    """How completions are sampled."""

    count: int = 1
    temperature: float = 1.0
    """0 takes the likeliest token each time."""
    top_p: float = 1.0
    max_tokens: int = 16
    stop: tuple[str, ...] = ()
    include_stop: bool = False
    """Whether the stop string stays in the text."""
    seed: int | None = None
    """With a seed, each candidate's draws are the same in every batch."""


@dataclass(frozen=True, slots=True)
class Completion:
    """One continuation of a prompt."""

    text: str
    tokens: tuple[int, ...]
    """Generated token ids, those of the stop string or end of text included."""
    finish: FinishReason


@dataclass(frozen=True, slots=True)
class Generation:
    """All continuations of one prompt, in the order of their indices."""

    prompt_tokens: int
    completions: tuple[Completion, ...]


@dataclass(frozen=True, slots=True)
class Score:
    """What a process preference model says of one text."""

    value: float
    """The head's raw output: no tanh, no sigmoid."""
    prompt_tokens: int


@dataclass(frozen=True, slots=True, eq=False)
class GenerationJob:
    """Continue a prompt."""

    prompt: str
    options: GenerationOptions
    future: Future[Generation] = field(default_factory=Future)


@dataclass(frozen=True, slots=True, eq=False)
class ScoringJob:
    """Score a text."""

    prompt: str
    future: Future[Score] = field(default_factory=Future)


Job = GenerationJob | ScoringJob
