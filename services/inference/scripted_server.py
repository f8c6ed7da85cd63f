"""The scripted arithmetic policy and PPM behind the model servers' HTTP API.

    python -m services.inference.scripted_server --port 0 --port-file PATH

For rehearsals and tests of whole processes in seconds: it answers to any model name, at once.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from aiohttp import web

from services.errors import EngineUnavailable
from services.inference.openai_api import (
    Classification,
    ClassifyAnswer,
    ClassifyRequest,
    CompletionAnswer,
    CompletionChoice,
    CompletionRequest,
    ModelCard,
    ModelList,
    Usage,
)
from services.inference.scripted_arithmetic import score_prefix, write_step
from services.inference.serving import json_answer, make_json_app, read_body, serve
from services.steps import STOPS

if TYPE_CHECKING:
    from collections.abc import Sequence

MODELS = ModelList(data=(ModelCard(id="scripted-arithmetic"),))


STRIPS_STOPS = web.AppKey("strips_stops", bool)


def make_scripted_app(*, strips_stops: bool = False) -> web.Application:
    """The HTTP application; it keeps no state.

    With `strips_stops` it breaks the contract as some proxies do: stop strings are left out and
    not named.
    """
    app = make_json_app()
    app[STRIPS_STOPS] = strips_stops
    app.router.add_get("/health", _models)
    app.router.add_get("/v1/models", _models)
    app.router.add_post("/v1/completions", _completions)
    app.router.add_post("/classify", _classify)
    return app


async def _models(_: web.Request) -> web.Response:
    return json_answer(MODELS)


async def _completions(request: web.Request) -> web.Response:
    body = await read_body(request, CompletionRequest)
    stops = (body.stop,) if isinstance(body.stop, str) else body.stop
    texts = [
        _until(stops, write_step(body.prompt, index, body.seed or 0)) for index in range(body.n)
    ]
    choices = tuple(
        CompletionChoice(
            index=index, text=text, finish_reason="stop" if text.endswith(STOPS) else "length"
        )
        for index, text in enumerate(texts)
    )
    if request.app[STRIPS_STOPS]:
        choices = tuple(_stripped(choice, stops) for choice in choices)
    tokens = sum(len(text.split()) for text in texts)
    usage = Usage(completion_tokens=tokens, total_tokens=tokens)
    return json_answer(CompletionAnswer(model=body.model, choices=choices, usage=usage))


def _until(stops: Sequence[str], text: str) -> str:
    """The text up to its first stop string, which stays."""
    ends = [text.index(stop) + len(stop) for stop in stops if stop and stop in text]
    return text[: min(ends)] if ends else text


def _stripped(choice: CompletionChoice, stops: Sequence[str]) -> CompletionChoice:
    stop = next((stop for stop in stops if choice.text.endswith(stop)), "")
    return choice.model_copy(update={"text": choice.text.removesuffix(stop)})


async def _classify(request: web.Request) -> web.Response:
    body = await read_body(request, ClassifyRequest)
    data = tuple(
        Classification(index=index, probs=(score_prefix(text),))
        for index, text in enumerate(body.input)
    )
    return json_answer(ClassifyAnswer(model=body.model, data=data))


def main() -> int:
    """The entry point; returns the exit status."""
    parser = argparse.ArgumentParser(description="Serve scripted arithmetic over the OpenAI API.")
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=0, help="0 takes a free one")
    parser.add_argument("--port-file", type=Path, help="written when the server is ready")
    parser.add_argument("--strips-stops", action="store_true", help="break the contract")
    options = parser.parse_args()
    try:
        asyncio.run(
            serve(
                make_scripted_app(strips_stops=options.strips_stops),
                address=options.host,
                port=options.port,
                port_file=options.port_file,
            )
        )
    except EngineUnavailable as error:
        sys.stderr.write(f"{error}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
