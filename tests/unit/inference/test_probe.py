"""A policy's server that breaks the contract is refused, by a sentence that says how."""

from __future__ import annotations

import itertools
from collections.abc import Callable

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from services.errors import ConfigurationError
from services.inference.openai_api import (
    CompletionAnswer,
    CompletionChoice,
    CompletionRequest,
    Usage,
)
from services.inference.probe import probe_policy
from services.inference.scripted_server import make_scripted_app
from services.inference.serving import json_answer, make_json_app, read_body

Write = Callable[[CompletionRequest], CompletionAnswer]
CALLS = itertools.count()


def answer(
    body: CompletionRequest,
    *,
    count: int | None = None,
    salt: object = "",
    lost: int = 0,
    names_stop: bool = False,
    deaf: bool = False,
    tokens: int = 9,
) -> CompletionAnswer:
    """What a server writes, right but for what it is told to do wrong."""
    choices = []
    for index in range(body.n if count is None else count):
        text = f" It is {body.seed}{index}{salt}, as anybody can see at once."
        found = next((stop for stop in body.stop if stop in text), None)
        if found is not None and not deaf:
            text = text[: text.index(found) + len(found) - lost]
        reason = found if names_stop else None
        choices.append(CompletionChoice(index=index, text=text, stop_reason=reason))
    return CompletionAnswer(choices=tuple(choices), usage=Usage(completion_tokens=tokens))


async def probe(*servers: Write) -> None:
    urls = []
    running = []
    for write in servers:

        async def complete(request: web.Request, write: Write = write) -> web.Response:
            return json_answer(write(await read_body(request, CompletionRequest)))

        app = make_json_app()
        app.router.add_post("/v1/completions", complete)
        server = TestServer(app)
        await server.start_server()
        running.append(server)
        urls.append(str(server.make_url("/v1")))
    try:
        await probe_policy(urls, model="policy", api_key="", setting="STEPFORGE_POLICY_URL")
    finally:
        for server in running:
            await server.close()


FAULTS: dict[str, tuple[Write, str]] = {
    "strips stops": (lambda body: answer(body, lost=4), "takes stop strings from the text"),
    "cuts last characters": (lambda body: answer(body, lost=1), "takes stop strings from the text"),
    "names a stop it cut": (lambda body: answer(body, lost=2, names_stop=True), "in part"),
    "goes on": (lambda body: answer(body, deaf=True), "goes on after a stop string"),
    "ignores n": (lambda body: answer(body, count=1), "it gives 1"),
    "ignores the seed": (lambda body: answer(body, salt=next(CALLS)), "with the same seed"),
    "counts nothing": (lambda body: answer(body, tokens=0), "counts no tokens"),
}


@pytest.mark.parametrize(("write", "sentence"), FAULTS.values(), ids=FAULTS.keys())
async def test_a_server_that_breaks_the_contract_is_refused(write: Write, sentence: str) -> None:
    with pytest.raises(ConfigurationError, match=sentence) as refusal:
        await probe(write)
    assert "STEPFORGE_POLICY_URL" in str(refusal.value)


async def test_a_server_that_strips_stops_and_names_them_is_searched_with() -> None:
    await probe(lambda body: answer(body, lost=4, names_stop=True))


async def test_every_replica_is_probed() -> None:
    with pytest.raises(ConfigurationError, match="takes stop strings"):
        await probe(answer, lambda body: answer(body, lost=4))


async def test_the_scripted_server_keeps_the_contract() -> None:
    server = TestServer(make_scripted_app())
    await server.start_server()
    try:
        await probe_policy(
            [str(server.make_url("/v1"))], model="any", api_key="", setting="STEPFORGE_POLICY_URL"
        )
    finally:
        await server.close()
