"""The part of the OpenAI and vLLM HTTP API that Stepforge speaks, as both of its sides read it.

Names are those of the wire. Unknown fields are ignored, as vLLM does. Source: vLLM's
`CompletionRequest` and `ClassificationRequest`.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field


class Wire(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore", protected_namespaces=())


class CompletionRequest(Wire):
    """Body of POST /v1/completions."""

    model: str
    prompt: str
    n: Annotated[int, Field(ge=1, le=16_384)] = 1
    temperature: Annotated[float, Field(ge=0, le=100)] = 1.0
    top_p: Annotated[float, Field(gt=0, le=1)] = 1.0
    max_tokens: Annotated[int, Field(ge=1)] = 16
    stop: str | tuple[str, ...] = ()
    include_stop_str_in_output: bool = False
    seed: int | None = None
    return_token_ids: bool = False
    stream: Literal[False] = False


class CompletionChoice(Wire):
    """One completion."""

    index: int
    text: str
    finish_reason: str | None = None
    stop_reason: int | str | None = None
    token_ids: tuple[int, ...] | None = None


class Usage(Wire):
    """Tokens of the whole request."""

    prompt_tokens: int = 0
    completion_tokens: int = 0
    total_tokens: int = 0


class ModelAnswer(Wire):
    """What every answer of a model says; `model` is empty from a server that does not say it."""

    model: str = ""


class CompletionAnswer(ModelAnswer):
    """Answer of POST /v1/completions."""

    id: str = ""
    object: str = "text_completion"
    created: int = 0
    choices: tuple[CompletionChoice, ...]
    usage: Usage = Usage()


class ClassifyRequest(Wire):
    """Body of POST /classify."""

    model: str
    input: tuple[str, ...]
    use_activation: Literal[False]
    """Raw scores only: an activation would be the reader's guess."""


class Classification(Wire):
    """What the head says of one text."""

    index: int
    label: str | None = None
    probs: Annotated[tuple[float, ...], Field(min_length=1)]
    num_classes: int = 1


class ClassifyAnswer(ModelAnswer):
    """Answer of POST /classify."""

    id: str = ""
    object: str = "list"
    created: int = 0
    data: tuple[Classification, ...]
    usage: Usage = Usage()


class ModelCard(Wire):
    """A served model."""

    id: str
    object: str = "model"
    owned_by: str = "stepforge"


class ModelList(Wire):
    """Answer of GET /v1/models."""

    object: str = "list"
    data: tuple[ModelCard, ...]


class ErrorDetail(Wire):
    """What went wrong."""

    message: str
    type: str = ""
    code: int = 0


class ErrorAnswer(Wire):
    """Body of every answer that is not 200."""

    error: ErrorDetail
