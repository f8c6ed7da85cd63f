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
    from aiohttp import web

MODELS = ModelList(data=(ModelCard(id="scripted-arithmetic"),))


def make_scripted_app() -> web.Application:
    """The HTTP application; it keeps no state."""
    app = make_json_app()
    app.router.add_get("/health", _models)
    app.router.add_get("/v1/models", _models)
    app.router.add_post("/v1/completions", _completions)
    app.router.add_post("/classify", _classify)
    return app


async def _models(_: web.Request) -> web.Response:
    return json_answer(MODELS)


async def _completions(request: web.Request) -> web.Response:
    body = await read_body(request, CompletionRequest)
    texts = [write_step(body.prompt, index, body.seed or 0) for index in range(body.n)]
    choices = tuple(
        CompletionChoice(
            index=index, text=text, finish_reason="stop" if text.endswith(STOPS) else "length"
        )
        for index, text in enumerate(texts)
    )
    tokens = sum(len(text.split()) for text in texts)
    usage = Usage(completion_tokens=tokens, total_tokens=tokens)
    return json_answer(CompletionAnswer(model=body.model, choices=choices, usage=usage))


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
    options = parser.parse_args()
    try:
        asyncio.run(
            serve(
                make_scripted_app(),
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
