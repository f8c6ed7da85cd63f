"""A simulated model server: the OpenAI completions API over a stated latency model, no model.

    python -m tests.benchmarks.simulated_server --problems FILE.jsonl --port-file PATH

Latency model: time passes in ticks. Up to `--slots` sequences take part in a tick, the others wait
in the order in which they came; a tick lasts `--tick-ms` plus `--sequence-us` for each sequence
that takes part, and gives each of them one token. A prompt costs nothing. A request is answered
when the last of its n sequences has ended. The clock is kept: a tick that the machine delivers late
shortens the next ones, so a busy machine does not make the model slower than it says.

What it writes are variations of the next step of a known solution (`tests.benchmarks.tree_policy`),
a function of the prompt and the request's seed; a token is four characters. GET /stats tells how
long ticks were running since POST /stats, and how full they were.
"""

from __future__ import annotations

import argparse
import asyncio
import heapq
import itertools
import json
import sys
import time
from collections import deque
from dataclasses import dataclass, field
from pathlib import Path

from aiohttp import web

from services.inference.openai_api import (
    CompletionAnswer,
    CompletionChoice,
    CompletionRequest,
    ModelCard,
    ModelList,
    Usage,
)
from services.inference.serving import json_answer, make_json_app, read_body, serve
from services.steps import STOPS, root_prompt
from tests.benchmarks.tree_policy import VaryingPolicy

MODEL = "simulated"


@dataclass(slots=True)
class Batch:
    """The sequences that take part in ticks, and those that wait for a slot."""

    tick_seconds: float
    sequence_seconds: float
    slots: int
    ends: list[tuple[int, int, asyncio.Future[None]]] = field(default_factory=list)
    waiting: deque[tuple[int, asyncio.Future[None]]] = field(default_factory=deque)
    arrived: asyncio.Event = field(default_factory=asyncio.Event)
    ticks: int = 0
    busy_seconds: float = 0.0
    slot_seconds: float = 0.0
    tokens: int = 0
    since: float = field(default_factory=time.monotonic)
    _order: itertools.count[int] = field(default_factory=itertools.count)

    def reset(self) -> None:
        """Count from now on."""
        self.busy_seconds = self.slot_seconds = 0.0
        self.tokens = 0
        self.since = time.monotonic()

    async def generate(self, tokens: int) -> None:
        """Wait as long as a sequence of so many tokens takes."""
        done = asyncio.get_running_loop().create_future()
        self.waiting.append((tokens, done))
        self.arrived.set()
        await done

    async def run(self) -> None:
        """Tick while there is work."""
        clock = time.monotonic()
        while True:
            self._seat()
            if not self.ends:
                self.arrived.clear()
                await self.arrived.wait()
                clock = time.monotonic()
                continue
            lasts = self.tick_seconds + self.sequence_seconds * len(self.ends)
            clock += lasts
            self.ticks += 1
            await asyncio.sleep(clock - time.monotonic())
            self.busy_seconds += lasts
            self.slot_seconds += lasts * len(self.ends) / self.slots
            self.tokens += len(self.ends)
            while self.ends and self.ends[0][0] <= self.ticks:
                done = heapq.heappop(self.ends)[2]
                if not done.done():
                    done.set_result(None)

    def _seat(self) -> None:
        while self.waiting and len(self.ends) < self.slots:
            tokens, done = self.waiting.popleft()
            if not done.done():
                heapq.heappush(self.ends, (self.ticks + tokens, next(self._order), done))


BATCH: web.AppKey[Batch] = web.AppKey("batch", Batch)
POLICIES: web.AppKey[dict[str, VaryingPolicy]] = web.AppKey("policies", dict)


def make_app(batch: Batch, solutions: dict[str, tuple[str, ...]]) -> web.Application:
    """The HTTP application; `solutions` has the steps of each question."""
    app = make_json_app()
    app[BATCH] = batch
    # A search's prompts begin with its root prompt, by which the problem is known.
    app[POLICIES] = {root_prompt(asked): VaryingPolicy(steps) for asked, steps in solutions.items()}
    app.router.add_get("/v1/models", _models)
    app.router.add_post("/v1/completions", _completions)
    app.router.add_get("/stats", _stats)
    app.router.add_post("/stats", _reset)
    app.cleanup_ctx.append(_ticking)
    return app


async def _ticking(app: web.Application):  # type: ignore[no-untyped-def]  # noqa: ANN202
    task = asyncio.create_task(app[BATCH].run())
    yield
    task.cancel()


async def _models(_: web.Request) -> web.Response:
    return json_answer(ModelList(data=(ModelCard(id=MODEL),)))


async def _completions(request: web.Request) -> web.Response:
    body = await read_body(request, CompletionRequest)
    root = body.prompt[: body.prompt.find("<code>\n") + len("<code>\n")]
    policy = request.app[POLICIES].get(root) or VaryingPolicy(("x = 1", "print(x)"))
    written = await policy.propose(body.prompt, count=body.n, seed=body.seed or 0, affinity=0)
    cut = [min(candidate.tokens, body.max_tokens) for candidate in written]
    batch = request.app[BATCH]
    await asyncio.gather(*(batch.generate(max(1, tokens)) for tokens in cut))
    choices = tuple(
        CompletionChoice(
            index=index,
            text=candidate.text[: body.max_tokens * 4],
            finish_reason="stop" if candidate.text.endswith(STOPS) else "length",
        )
        for index, candidate in enumerate(written)
    )
    usage = Usage(completion_tokens=sum(cut), total_tokens=sum(cut))
    return json_answer(CompletionAnswer(model=body.model, choices=choices, usage=usage))


async def _stats(request: web.Request) -> web.Response:
    batch = request.app[BATCH]
    wall = time.monotonic() - batch.since
    return web.json_response(
        {
            "wall_seconds": wall,
            "busy_share": min(1.0, batch.busy_seconds / wall),
            "slot_share": min(1.0, batch.slot_seconds / wall),
            "tokens": batch.tokens,
        }
    )


async def _reset(request: web.Request) -> web.Response:
    request.app[BATCH].reset()
    return web.json_response({})


def main() -> None:
    """Serve until told to stop."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--problems", type=Path, required=True, help='JSONL: "question", "steps"')
    parser.add_argument("--tick-ms", type=float, default=20.0)
    parser.add_argument("--sequence-us", type=float, default=20.0)
    parser.add_argument("--slots", type=int, default=512)
    parser.add_argument("--port", type=int, default=0, help="0 takes a free one")
    parser.add_argument("--port-file", type=Path)
    options = parser.parse_args()
    lines = options.problems.read_text(encoding="utf-8").splitlines()
    solutions = {item["question"]: tuple(item["steps"]) for item in map(json.loads, lines)}

    async def run() -> None:
        batch = Batch(options.tick_ms / 1e3, options.sequence_us / 1e6, options.slots)
        await serve(
            make_app(batch, solutions),
            address="127.0.0.1",
            port=options.port,
            port_file=options.port_file,
        )

    asyncio.run(run())


if __name__ == "__main__":
    sys.exit(main())
