"""A model server that misbehaves as it is told, one answer after another."""

from __future__ import annotations

import json
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from aiohttp import web

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence


@dataclass(frozen=True, slots=True)
class Reply:
    """One answer, or with `cut` a connection that breaks off."""

    status: int = 200
    body: bytes = b""
    headers: dict[str, str] = field(default_factory=dict)
    cut: bool = False


@dataclass(slots=True)
class Script:
    """What a server will answer and what it was asked; the last reply repeats."""

    url: str
    replies: list[Reply]
    bodies: list[dict[str, object]] = field(default_factory=list)
    headers: list[dict[str, str]] = field(default_factory=list)


def completions(*texts: str, **more: object) -> Reply:
    """A right answer with these texts."""
    choices = [{"index": i, "text": text, **more} for i, text in enumerate(texts)]
    usage = {"completion_tokens": 12}
    return Reply(body=json.dumps({"choices": choices, "usage": usage}).encode())


def classifications(*scores: float) -> Reply:
    """A right answer with these raw scores."""
    data = [{"index": i, "probs": [score]} for i, score in enumerate(scores)]
    return Reply(body=json.dumps({"data": data}).encode())


@asynccontextmanager
async def scripted_replies(replies: Sequence[Reply]) -> AsyncIterator[Script]:
    """Serve replies on a free port."""

    async def answer(request: web.Request) -> web.Response:
        script.bodies.append(json.loads(await request.read() or b"{}"))
        script.headers.append(dict(request.headers))
        reply = script.replies.pop(0) if len(script.replies) > 1 else script.replies[0]
        if reply.cut:
            assert request.transport is not None
            request.transport.abort()
        return web.Response(body=reply.body, status=reply.status, headers=reply.headers)

    app = web.Application()
    app.router.add_route("*", "/{path:.*}", answer)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    script = Script(f"http://127.0.0.1:{runner.addresses[0][1]}/v1", list(replies))
    try:
        yield script
    finally:
        await runner.cleanup()
