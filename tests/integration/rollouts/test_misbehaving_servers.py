"""Servers that misbehave, through the real client: the right outcome or an open search, no label.

What a model writes is its own fault and becomes an outcome; what its server does is nobody's label.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import pytest
from aiohttp import web
from sqlalchemy import text

from db.queries import integrity, searches
from db.session import Database
from services.grading.plain import PlainGrader
from services.inference.client import HttpPolicy
from services.inference.http import Patience
from services.inference.scripted_arithmetic import write_step
from services.profiles import Sampling, SearchProfile
from services.rollouts.engine import Equipment, search_worker
from services.sandbox.fake import FakeSandbox
from services.steps import END_OF_STEP
from tests.factories import planned_round

PATIENCE = Patience(total=0.3, attempt=60, first_pause=0.001, longest_pause=0.01)
"""Seconds; a real server is waited for longer."""
QUICK = Patience(total=1.5, attempt=1, first_pause=0.001, longest_pause=0.01)
"""For a server that never answers."""
SAMPLING = Sampling(max_step_tokens=64)
TREE = (
    "SELECT p.question, node_no, parent_no, kind, outcome, terminal_reason, verdict, visit_count,"
    " value_sum, proposals, n.text FROM nodes n JOIN searches s ON s.id = n.search_id"
    " JOIN problems p ON p.id = s.problem_id ORDER BY 1, 2"
)

Trouble = Callable[[web.Request], Awaitable[web.StreamResponse | None]]
"""What happens instead of a right answer; None lets the right one follow."""


@dataclass
class Server:
    """Answers as `write` says, but for the requests at which there is trouble."""

    write: Callable[[str, int, int], str] = write_step
    trouble: Trouble | None = None
    troubled: range = range(0)
    model: Callable[[int], str] = lambda _: "policy"
    times: int | None = None
    """How many candidates it gives, whatever it was asked for."""
    asked: int = 0
    url: str = ""
    bodies: list[dict[str, object]] = field(default_factory=list)

    async def answer(self, request: web.Request) -> web.StreamResponse:
        self.asked += 1
        number, body = self.asked, json.loads(await request.read())
        if self.trouble is not None and number in self.troubled:
            instead = await self.trouble(request)
            if instead is not None:
                return instead
        count = self.times or body["n"]
        texts = [self.write(body["prompt"], index, body["seed"]) for index in range(count)]
        choices = [{"index": index, "text": text} for index, text in enumerate(texts)]
        return web.Response(
            body=json.dumps(
                {
                    "model": self.model(number),
                    "choices": choices,
                    "usage": {"completion_tokens": 9 * count},
                }
            ).encode("utf-8", "surrogatepass")
        )


@asynccontextmanager
async def serving(server: Server) -> AsyncIterator[Server]:
    app = web.Application(client_max_size=1 << 30)
    app.router.add_post("/v1/completions", server.answer)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    server.url = f"http://127.0.0.1:{runner.addresses[0][1]}/v1"
    try:
        yield server
    finally:
        await runner.cleanup()


async def search(
    database: Database, server: Server, *, candidates: int = 3, searches_planned: int = 2
) -> int:
    """Search a new round with this server. Returns the round."""
    with database.begin() as connection:
        connection.execute(text("TRUNCATE problems, runs, run_problems, nodes CASCADE"))
    this_round = planned_round(database, count=searches_planned)
    profile = SearchProfile(rollouts=3, candidates=candidates, max_depth=6, sampling=SAMPLING)
    async with serving(server), FakeSandbox() as sandbox:
        patience = QUICK if server.trouble is silent else PATIENCE
        policy = HttpPolicy([server.url], model="policy", sampling=SAMPLING, patience=patience)
        async with policy:
            equipment = Equipment(policy, None, sandbox, PlainGrader())
            await search_worker(database, equipment, profile, owner="me").run(this_round.id)
    assert integrity.violations(database) == []
    return this_round.id


def rows(database: Database, query: str) -> list[tuple[object, ...]]:
    with database.begin() as connection:
        return [tuple(row) for row in connection.execute(text(query))]


async def too_many(_: web.Request) -> web.Response:
    return web.Response(status=429, headers={"Retry-After": "0"})


async def failing(_: web.Request) -> web.Response:
    return web.Response(status=500, body=b"\xff\xfe out of memory")


async def cut(request: web.Request) -> web.StreamResponse:
    """Half of an answer, then the connection breaks."""
    response = web.StreamResponse(headers={"Content-Length": "100000"})
    await response.prepare(request)
    await response.write(b'{"choices": [{"index": 0, "text": "# Step 1')
    assert request.transport is not None
    request.transport.abort()
    return response


async def silent(_: web.Request) -> web.Response:
    """Longer than an attempt may take."""
    await asyncio.sleep(QUICK.attempt * 3)
    return web.Response()


async def garbage(_: web.Request) -> web.Response:
    return web.Response(body=b"\x00\xff{]")


TROUBLES = {
    "429": too_many,
    "500": failing,
    "cut": cut,
    "time-out": silent,
    "garbage": garbage,
}
every_trouble = pytest.mark.parametrize("trouble", TROUBLES.values(), ids=TROUBLES.keys())


@pytest.fixture(scope="module")
def undisturbed() -> dict[str, list[tuple[object, ...]]]:
    return {}


@every_trouble
async def test_trouble_that_passes_changes_nothing_of_the_tree(
    database: Database, trouble: Trouble, undisturbed: dict[str, list[tuple[object, ...]]]
) -> None:
    if not undisturbed:
        await search(database, Server())
        undisturbed["tree"] = rows(database, TREE)
    await search(database, Server(trouble=trouble, troubled=range(3, 5)))
    assert rows(database, TREE) == undisturbed["tree"]
    assert len(undisturbed["tree"]) > 6


@every_trouble
async def test_trouble_that_stays_leaves_no_label_and_names_its_reason(
    database: Database, trouble: Trouble
) -> None:
    server = Server(trouble=trouble, troubled=range(4, 10_000))
    round_id = await search(database, server, searches_planned=1)
    counts = searches.progress(database, round_id)
    assert (counts.done, counts.failed, counts.solved) == (0, 1, 0)
    assert rows(database, "SELECT * FROM v1.steps") == []
    assert server.url.removesuffix("/v1") in searches.LEASES.last_error(database, round_id)


async def test_a_model_that_changes_its_name_in_the_middle_labels_nothing(
    database: Database,
) -> None:
    server = Server(model=lambda number: "policy" if number < 4 else "another")
    round_id = await search(database, server, searches_planned=1)
    assert searches.progress(database, round_id).done == 0
    assert rows(database, "SELECT * FROM v1.steps") == []
    error = searches.LEASES.last_error(database, round_id)
    assert "'another'" in error
    assert "'policy'" in error


async def test_a_model_that_is_called_otherwise_than_it_is_asked_for_is_searched_with(
    database: Database,
) -> None:
    round_id = await search(database, Server(model=lambda _: "policy-2026-01-01"))
    assert searches.progress(database, round_id).done == 2


ENDS = {
    "empty": lambda prompt, index, seed: "",
    "white space": lambda prompt, index, seed: " \n" * index,
    "no delimiter": lambda prompt, index, seed: f"# Step 1: {index}\nx = 1\n",
    "endless": lambda prompt, index, seed: "x" * 300_000 + f"\n{END_OF_STEP}",
    "not UTF-8": lambda prompt, index, seed: "\ud800\x00 x = \udfff",
}


@pytest.mark.parametrize("write", ENDS.values(), ids=ENDS.keys())
async def test_text_that_is_no_step_ends_the_search_as_unparsable(
    database: Database, write: Callable[[str, int, int], str]
) -> None:
    round_id = await search(database, Server(write=write))
    counts = searches.progress(database, round_id)
    assert (counts.done, counts.solved) == (2, 0)
    assert rows(
        database, "SELECT DISTINCT outcome, verdict, terminal_reason, visit_count FROM nodes"
    ) in (
        [("ok", None, "unparsable_step", 3), ("unparsable", None, None, 0)],
        [("unparsable", None, None, 0), ("ok", None, "unparsable_step", 3)],
    )
    longest = rows(database, "SELECT max(length(text)) FROM nodes")[0][0]
    assert isinstance(longest, int)
    assert longest <= 64 * SAMPLING.max_step_tokens


async def test_text_that_is_not_quite_utf8_may_still_be_a_step(database: Database) -> None:
    def write(prompt: str, index: int, seed: int) -> str:
        return write_step(prompt, index, seed).replace("# Step", "# \ud83d Schritt")

    round_id = await search(database, Server(write=write))
    assert searches.progress(database, round_id).done == 2
    assert rows(database, "SELECT count(*) FROM nodes WHERE kind = 'code' AND outcome = 'ok'") > [
        (0,)
    ]


async def test_ten_thousand_equal_candidates_become_one_step(database: Database) -> None:
    server = Server(write=lambda prompt, index, seed: write_step(prompt, 0, seed))
    round_id = await search(database, server, candidates=10_000, searches_planned=1)
    assert searches.progress(database, round_id).done == 1
    assert rows(database, "SELECT DISTINCT proposals FROM nodes WHERE parent_no IS NOT NULL") == [
        (10_000,)
    ]


async def test_more_candidates_than_were_asked_for_are_no_answer(database: Database) -> None:
    round_id = await search(database, Server(times=10_000), searches_planned=1)
    counts = searches.progress(database, round_id)
    assert (counts.done, counts.failed) == (0, 1)
    assert rows(database, "SELECT * FROM v1.steps") == []
    assert "does not fit the request" in searches.LEASES.last_error(database, round_id)


REFUSALS = {
    "vLLM": (
        400,
        "This model's maximum context length is 4096 tokens. However, you requested 5000",
    ),
    "vLLM, prompt": (
        400,
        "The decoder prompt (length 5000) is longer than the maximum model length of 4096.",
    ),
    "SGLang": (
        400,
        "The input (5000 tokens) is longer than the model's context length (4096 tokens).",
    ),
    "local": (400, "The prompt has 5000 tokens; the model /models/p takes 1 to 4095. Shorten it."),
    "TGI": (422, "Input validation error: `inputs` tokens + `max_new_tokens` must be <= 4096"),
    "proxy": (413, "<html>Request Entity Too Large</html>"),
}
every_refusal = pytest.mark.parametrize(
    ("status", "message"), REFUSALS.values(), ids=REFUSALS.keys()
)


def refusing(status: int, message: str, *, of: Callable[[str], bool]) -> Trouble:
    """A server that refuses some prompts."""

    async def trouble(request: web.Request) -> web.Response | None:
        if not of(json.loads(await request.read())["prompt"]):
            return None
        return web.json_response({"error": {"message": message}}, status=status)

    return trouble


@every_refusal
async def test_a_question_that_is_too_long_ends_its_own_search_and_no_other(
    database: Database, status: int, message: str
) -> None:
    long_one: list[str] = []

    def is_first_question(prompt: str) -> bool:
        long_one.append(prompt.split("# Step")[0])
        return prompt.startswith(long_one[0])

    trouble = refusing(status, message, of=is_first_question)
    server = Server(trouble=trouble, troubled=range(10_000))
    round_id = await search(database, server)
    counts = searches.progress(database, round_id)
    assert (counts.done, counts.failed) == (2, 0)
    ended = rows(database, "SELECT search_id FROM nodes WHERE terminal_reason = 'prompt_too_long'")
    assert len(ended) == 1
    assert len(rows(database, "SELECT FROM nodes WHERE kind = 'code' AND outcome = 'ok'")) > 1
    problem = rows(database, f"SELECT problem_id FROM searches WHERE id = {ended[0][0]}")
    assert searches.with_too_long_questions(database, round_id) == [problem[0][0]]


async def test_a_path_that_grows_too_long_ends_and_the_search_goes_on(database: Database) -> None:
    trouble = refusing(*REFUSALS["vLLM"], of=lambda prompt: END_OF_STEP in prompt)
    server = Server(trouble=trouble, troubled=range(10_000))
    round_id = await search(database, server, searches_planned=1)
    assert searches.progress(database, round_id).done == 1
    ended = rows(
        database, "SELECT DISTINCT depth FROM nodes WHERE terminal_reason = 'prompt_too_long'"
    )
    assert ended == [(1,)]
    assert searches.with_too_long_questions(database, round_id) == []


@pytest.mark.parametrize(
    "message",
    [
        "The model `policy` does not exist.",
        # No prompt would fit beside a step of 64 tokens: a setting is wrong.
        "This model's maximum context length is 64 tokens. However, you requested 90 tokens.",
    ],
)
async def test_a_refusal_of_another_nature_labels_nothing_and_is_repeated_in_its_words(
    database: Database, message: str
) -> None:
    server = Server(trouble=refusing(400, message, of=lambda _: True), troubled=range(10_000))
    round_id = await search(database, server, searches_planned=1)
    counts = searches.progress(database, round_id)
    assert (counts.done, counts.failed) == (0, 1)
    assert message.rstrip(".") in searches.LEASES.last_error(database, round_id)
