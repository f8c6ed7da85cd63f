"""The clients outlast what a server recovers from, and say plainly what it does not."""

from __future__ import annotations

import json
import math
import socket

import pytest

from services.errors import ConfigurationError, PolicyUnavailable
from services.inference.client import HttpPolicy, HttpPpm
from services.inference.http import Patience
from services.profiles import Sampling
from services.steps import END_OF_STEP, STOPS, Candidate
from tests.unit.inference.servers import Reply, classifications, completions, scripted_replies

QUICK = Patience(total=5, attempt=5, first_pause=0.001, longest_pause=0.002)
SHORT = Patience(total=0.05, attempt=5, first_pause=0.001, longest_pause=0.01)
GOOD = completions("a", "b")


def policy(*urls: str, patience: Patience = QUICK, prefix: str = "", key: str = "") -> HttpPolicy:
    return HttpPolicy(
        urls,
        model="/models/policy",
        sampling=Sampling(temperature=0.7, top_p=0.9, max_step_tokens=99),
        api_key=key,
        prompt_prefix=prefix,
        patience=patience,
    )


async def propose(client: HttpPolicy, *, affinity: int = 0) -> list[str]:
    async with client:
        made = await client.propose("Q", count=2, seed=3, affinity=affinity)
    return [candidate.text for candidate in made]


async def test_a_request_carries_what_the_round_profile_says() -> None:
    async with scripted_replies([GOOD]) as server:
        await propose(policy(server.url, prefix="Examples. ", key="secret"))
    [body] = server.bodies
    assert body["prompt"] == "Examples. Q"
    assert (body["model"], body["n"], body["seed"]) == ("/models/policy", 2, 3)
    assert (body["temperature"], body["top_p"], body["max_tokens"]) == (0.7, 0.9, 99)
    assert (body["stop"], body["include_stop_str_in_output"]) == (list(STOPS), True)
    assert server.headers[0]["Authorization"] == "Bearer secret"


@pytest.mark.parametrize(
    "trouble",
    [
        Reply(500, b"out of memory"),
        Reply(503, b"starting", {"Retry-After": "0"}),
        Reply(429, b"slow down", {"Retry-After": "0"}),
        Reply(cut=True),
        Reply(body=b"\xff\xfe not json"),
        Reply(body=b"{}"),
        Reply(body=b'{"choices": [{"index": 0, "text": 5}]}'),
        completions("only one"),
        completions("one", "two", "three"),
    ],
    ids=[
        "server error",
        "unavailable",
        "too many requests",
        "cut connection",
        "garbage",
        "no choices",
        "text that is none",
        "too few choices",
        "too many choices",
    ],
)
async def test_what_waiting_cures_is_tried_again(trouble: Reply) -> None:
    async with scripted_replies([trouble, trouble, GOOD]) as server:
        assert await propose(policy(server.url)) == ["a", "b"]
    assert len(server.bodies) == 3


async def test_patience_ends_with_the_server_the_model_and_a_remedy() -> None:
    async with scripted_replies([Reply(500, b"out of memory")]) as server:
        with pytest.raises(PolicyUnavailable) as raised:
            await propose(policy(server.url, patience=SHORT))
    message = str(raised.value)
    for part in (server.url.removesuffix("/v1"), "/models/policy", "500", "out of memory"):
        assert part in message
    assert "STEPFORGE_POLICY_URL" in message


async def test_a_server_that_is_not_there_is_named() -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{unused.getsockname()[1]}"
        with pytest.raises(PolicyUnavailable, match=f"{url}.*the connection failed"):
            await propose(policy(url, patience=SHORT))


async def test_a_server_that_never_answers_is_given_up() -> None:
    silent = Patience(total=0.01, attempt=0.05, first_pause=0.001)
    with socket.create_server(("127.0.0.1", 0)) as listening:
        url = f"http://127.0.0.1:{listening.getsockname()[1]}"
        with pytest.raises(PolicyUnavailable, match="did not answer in time"):
            await propose(policy(url, patience=silent))


async def test_a_refusal_is_not_tried_again_and_repeats_the_servers_words() -> None:
    words = json.dumps({"error": {"message": "There is no model here."}}).encode()
    async with scripted_replies([Reply(404, words), GOOD]) as server:
        with pytest.raises(PolicyUnavailable, match="404: There is no model here"):
            await propose(policy(server.url))
    assert len(server.bodies) == 1


async def test_a_long_pause_that_the_server_asks_for_is_kept() -> None:
    async with scripted_replies([Reply(429, b"", {"Retry-After": "3600"})]) as server:
        with pytest.raises(PolicyUnavailable, match="429"):
            await propose(policy(server.url))
    assert len(server.bodies) == 1


async def test_a_search_keeps_its_replica_and_moves_on_when_that_fails() -> None:
    async with (
        scripted_replies([completions("1", "1")]) as first,
        scripted_replies([completions("2", "2"), Reply(500)]) as second,
    ):
        client = policy(first.url, second.url)
        assert await propose(client, affinity=7) == ["2", "2"]
        assert await propose(client, affinity=8) == ["1", "1"]
        assert await propose(client, affinity=7) == ["1", "1"]


async def test_hostile_text_arrives_as_text_that_can_be_stored() -> None:
    body = b'{"choices": [{"index": 0, "text": "\\u0000a\\ud800"}, {"index": 1, "text": "\xff"}]}'
    async with scripted_replies([Reply(body=body)]) as server:
        texts = await propose(policy(server.url))
    assert all("\x00" not in text and text.encode("utf-8") for text in texts)


async def test_choices_are_read_in_the_order_of_their_indices() -> None:
    body = b'{"choices": [{"index": 1, "text": "b"}, {"index": 0, "text": "a"}]}'
    async with scripted_replies([Reply(body=body)]) as server:
        assert await propose(policy(server.url)) == ["a", "b"]


async def test_an_ending_that_a_server_keeps_back_is_put_back() -> None:
    reply = completions("x = 1\n", "y = 2\n" + END_OF_STEP, stop_reason=END_OF_STEP)
    async with scripted_replies([reply]) as server:
        texts = await propose(policy(server.url))
    assert texts == ["x = 1\n" + END_OF_STEP, "y = 2\n" + END_OF_STEP]


async def test_tokens_are_counted_for_each_candidate() -> None:
    async with (
        scripted_replies([completions("aaa", "b")]) as plain,
        scripted_replies([completions("aaa", "b", token_ids=[4, 5])]) as exact,
        policy(plain.url) as shared,
        policy(exact.url) as named,
    ):
        assert await shared.propose("Q", count=2, seed=0, affinity=0) == [
            Candidate("aaa", tokens=9),
            Candidate("b", tokens=3),
        ]
        assert await named.propose("Q", count=2, seed=0, affinity=0) == [
            Candidate("aaa", tokens=2),
            Candidate("b", tokens=2),
        ]


async def test_scores_are_the_hyperbolic_tangent_of_raw_scores() -> None:
    async with (
        scripted_replies([classifications(0.5, -40.0)]) as server,
        HttpPpm([server.url], model="/models/ppm", patience=QUICK) as ppm,
    ):
        assert await ppm.score(["p", "q"]) == [math.tanh(0.5), -1.0]
        assert await ppm.score([]) == []
    assert server.bodies == [{"model": "/models/ppm", "input": ["p", "q"], "use_activation": False}]


async def test_raw_scores_of_the_released_code_are_read_as_tanh_of_a_fifth() -> None:
    async with (
        scripted_replies([classifications(2.5, -40.0)]) as server,
        HttpPpm([server.url], model="m", scale=5.0, patience=QUICK) as ppm,
    ):
        assert await ppm.score(["p", "q"]) == [math.tanh(0.5), math.tanh(-8.0)]


@pytest.mark.parametrize(
    "trouble", [classifications(0.5), Reply(body=b'{"data": [{"index": 0, "probs": [NaN]}]}')]
)
async def test_scores_that_do_not_fit_are_asked_for_again(trouble: Reply) -> None:
    async with (
        scripted_replies([trouble, classifications(0.0, 0.0)]) as server,
        HttpPpm([server.url], model="m", patience=QUICK) as ppm,
    ):
        assert await ppm.score(["p", "q"]) == [0.0, 0.0]


async def test_check_names_the_models_that_are_served() -> None:
    reply = Reply(body=b'{"data": [{"id": "policy-7"}]}')
    async with scripted_replies([reply]) as server, policy(server.url) as client:
        assert await client.check() == ["policy-7"]


@pytest.mark.parametrize(
    ("url", "words"), [("", "is empty"), ("localhost:8000", "begins with http")]
)
async def test_a_url_that_is_none_is_the_users_to_correct(url: str, words: str) -> None:
    with pytest.raises(ConfigurationError, match=f"STEPFORGE_POLICY_URL.*{words}"):
        policy(url)
