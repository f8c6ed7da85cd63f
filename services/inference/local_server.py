"""The model server of one machine: the part of vLLM's HTTP API that Stepforge uses.

    python -m services.inference.local_server --port 0 --port-file PATH

A model is named by its checkpoint folder and loaded when it is first asked for. The event loop
only parses and answers; one thread (`ModelHost`) computes. A caller that goes away takes its
request with it.
"""

from __future__ import annotations

import argparse
import asyncio
import logging
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING
from uuid import uuid4

from services.errors import EngineUnavailable
from services.inference.local_jobs import (
    GenerationJob,
    GenerationOptions,
    ScoringJob,
)
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
from services.inference.serving import json_answer, make_json_app, read_body, serve
from services.steps import clean
from services.threads import share_cores

if TYPE_CHECKING:
    from collections.abc import Sequence

    from aiohttp import web

    from services.inference.local_host import ModelHost
    from services.inference.local_jobs import Generation


def make_app(host: ModelHost) -> web.Application:
    """The HTTP application around a started host."""
    handlers = _Handlers(host)
    app = make_json_app()
    app.router.add_get("/health", handlers.health)
    app.router.add_get("/v1/models", handlers.models)
    app.router.add_post("/v1/completions", handlers.completions)
    app.router.add_post("/classify", handlers.classify)
    return app


class _Handlers:
    def __init__(self, host: ModelHost) -> None:
        self._host = host

    async def health(self, _: web.Request) -> web.Response:
        return json_answer(ModelList(data=()))

    async def models(self, _: web.Request) -> web.Response:
        cards = tuple(ModelCard(id=str(folder)) for folder in self._host.held_models())
        return json_answer(ModelList(data=cards))

    async def completions(self, request: web.Request) -> web.Response:
        body = await read_body(request, CompletionRequest)
        options = GenerationOptions(
            count=body.n,
            temperature=body.temperature,
            top_p=body.top_p,
            max_tokens=body.max_tokens,
            stop=tuple(stop for stop in _several(body.stop) if stop),
            include_stop=body.include_stop_str_in_output,
            seed=body.seed,
        )
        job = GenerationJob(clean(body.prompt), options)
        self._host.submit(Path(body.model), job)
        return json_answer(_completion_answer(body, await asyncio.wrap_future(job.future)))

    async def classify(self, request: web.Request) -> web.Response:
        body = await read_body(request, ClassifyRequest)
        jobs = [ScoringJob(clean(text)) for text in body.input]
        for job in jobs:
            self._host.submit(Path(body.model), job)
        scores = await asyncio.gather(*(asyncio.wrap_future(job.future) for job in jobs))
        tokens = sum(score.prompt_tokens for score in scores)
        return json_answer(
            ClassifyAnswer(
                id=f"classify-{uuid4().hex}",
                created=int(time.time()),
                model=body.model,
                data=tuple(
                    Classification(index=index, probs=(score.value,))
                    for index, score in enumerate(scores)
                ),
                usage=Usage(prompt_tokens=tokens, total_tokens=tokens),
            )
        )


def _completion_answer(body: CompletionRequest, generation: Generation) -> CompletionAnswer:
    made = sum(len(completion.tokens) for completion in generation.completions)
    return CompletionAnswer(
        id=f"cmpl-{uuid4().hex}",
        created=int(time.time()),
        model=body.model,
        choices=tuple(
            CompletionChoice(
                index=index,
                text=completion.text,
                finish_reason=completion.finish,
                token_ids=completion.tokens if body.return_token_ids else None,
            )
            for index, completion in enumerate(generation.completions)
        ),
        usage=Usage(
            prompt_tokens=generation.prompt_tokens,
            completion_tokens=made,
            total_tokens=generation.prompt_tokens + made,
        ),
    )


def _several(stop: str | Sequence[str]) -> Sequence[str]:
    return (stop,) if isinstance(stop, str) else stop


def main() -> int:
    """The entry point; returns the exit status."""
    parser = argparse.ArgumentParser(description="Serve local models over the OpenAI API.")
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=0, help="0 takes a free one")
    parser.add_argument("--port-file", type=Path, help="written when the server is ready")
    parser.add_argument("--threads", type=int, default=0, help="0 takes the physical cores")
    options = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s")
    share_cores()
    # Here and not above: OpenMP reads its settings once, when torch is imported.
    from services.inference.local_host import ModelHost

    host = ModelHost(threads=options.threads)
    host.start()
    try:
        asyncio.run(
            serve(
                make_app(host),
                address=options.host,
                port=options.port,
                port_file=options.port_file,
            )
        )
    except EngineUnavailable as error:
        sys.stderr.write(f"{error}\n")
        return 1
    finally:
        host.close()
    return 0


if __name__ == "__main__":
    sys.exit(main())
