"""The model server processes, as the embedded engines start them and the workers use them."""

from __future__ import annotations

import asyncio
import json
import signal
import socket
import sys
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import aiohttp
import pytest

from services.errors import PolicyUnavailable
from services.inference.client import HttpPolicy, HttpPpm
from services.inference.probe import probe_policy
from services.profiles import Sampling
from services.steps import root_prompt
from tests.models import save_tiny_policy, save_tiny_ppm

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

LOCAL = "services.inference.local_server"
SCRIPTED = "services.inference.scripted_server"
SAMPLING = Sampling(temperature=0.8, max_step_tokens=12)
PROMPT = root_prompt("What is 17 + 25?")
SECONDS = 60


async def start(module: str, *options: str) -> asyncio.subprocess.Process:
    return await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", module, *options), stderr=asyncio.subprocess.PIPE
    )


async def port_of(path: Path, process: asyncio.subprocess.Process) -> int:
    """The port once the server has written it."""
    async with asyncio.timeout(SECONDS):
        while not path.exists():  # noqa: ASYNC240
            assert process.returncode is None, "the server ended before it was ready"
            await asyncio.sleep(0.02)
    return int(path.read_text())  # noqa: ASYNC240


@asynccontextmanager
async def running(module: str, folder: Path) -> AsyncIterator[str]:
    """A server's base URL; at the end SIGTERM must end it with status 0."""
    port_file = folder / "run" / "server.port"
    process = await start(module, "--port", "0", "--port-file", str(port_file))
    try:
        yield f"http://127.0.0.1:{await port_of(port_file, process)}/v1"
    finally:
        process.send_signal(signal.SIGTERM)
        _, errors = await asyncio.wait_for(process.communicate(), SECONDS)
        assert process.returncode == 0, errors.decode()


async def test_the_clients_get_candidates_and_scores_from_the_local_server(tmp_path: Path) -> None:
    policy_folder = save_tiny_policy(tmp_path / "policy")
    ppm_folder = save_tiny_ppm(tmp_path / "ppm")
    async with (
        running(LOCAL, tmp_path) as url,
        HttpPolicy([url], model=str(policy_folder), sampling=SAMPLING) as policy,
        HttpPpm([url], model=str(ppm_folder)) as ppm,
    ):
        first, again = await asyncio.gather(
            policy.propose(PROMPT, count=3, seed=4, affinity=1),
            policy.propose(PROMPT, count=3, seed=4, affinity=1),
        )
        scores = await ppm.score([PROMPT, PROMPT + first[0].text])
        served = await policy.check()
        await probe_policy(
            [url], model=str(policy_folder), api_key="", setting="STEPFORGE_POLICY_URL"
        )
    assert len(first) == 3
    assert first == again
    assert all(0 < candidate.tokens <= 12 for candidate in first)
    assert all(-1 <= score <= 1 for score in scores)
    assert served == [str(policy_folder), str(ppm_folder)]


async def test_the_local_server_names_a_model_that_is_not_there(tmp_path: Path) -> None:
    async with (
        running(LOCAL, tmp_path) as url,
        HttpPolicy([url], model="/no/model", sampling=SAMPLING) as policy,
    ):
        with pytest.raises(PolicyUnavailable, match="404: There is no model in /no/model"):
            await policy.propose(PROMPT, count=1, seed=0, affinity=0)


async def test_the_local_server_says_what_is_wrong_with_a_request(tmp_path: Path) -> None:
    async with running(LOCAL, tmp_path) as url, aiohttp.ClientSession() as session:
        bodies = {
            b"not json": "body: Invalid JSON",
            b'{"model": "m"}': "prompt: Field required",
            b'{"model": "m", "prompt": "p", "n": 0}': "n: Input should be greater",
            b'{"model": "m", "prompt": "p", "stream": true}': "stream: Input should be False",
        }
        for body, words in bodies.items():
            async with session.post(f"{url}/completions", data=body) as response:
                answer = json.loads(await response.read())
            assert response.status == 400
            assert words in answer["error"]["message"]
        async with session.get(f"{url}/nothing") as response:
            assert response.status == 404
        async with session.get(url.removesuffix("/v1") + "/health") as response:
            assert response.status == 200


async def test_a_server_stops_at_once_while_it_is_generating(tmp_path: Path) -> None:
    folder = save_tiny_policy(tmp_path / "policy", max_position_embeddings=100_000)
    long = Sampling(max_step_tokens=90_000)
    async with (
        running(LOCAL, tmp_path) as url,
        HttpPolicy([url], model=str(folder), sampling=SAMPLING) as quick,
        HttpPolicy([url], model=str(folder), sampling=long) as endless,
    ):
        asking = asyncio.create_task(endless.propose(PROMPT, count=8, seed=0, affinity=0))
        await quick.propose(PROMPT, count=1, seed=0, affinity=0)
        asking.cancel()


@pytest.mark.parametrize("module", [LOCAL, SCRIPTED])
async def test_a_taken_port_ends_the_server_with_one_sentence(module: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        process = await start(module, "--port", str(port))
        _, errors = await asyncio.wait_for(process.communicate(), SECONDS)
    assert process.returncode == 1
    assert errors.decode().strip() == (
        f"Port {port} on 127.0.0.1 is taken. Set STEPFORGE_MODEL_PORT to a free port, "
        "or to 0 to take any."
    )


async def test_the_scripted_server_solves_sums_without_a_model(tmp_path: Path) -> None:
    async with (
        running(SCRIPTED, tmp_path) as url,
        HttpPolicy([url], model="any", sampling=SAMPLING) as policy,
        HttpPpm([url], model="any") as ppm,
    ):
        candidates = await policy.propose(PROMPT, count=16, seed=0, affinity=0)
        right = next(c.text for c in candidates if "left = 17\nright = 25\n" in c.text)
        wrong = right.replace("25", "26")
        scores = await ppm.score([f"{PROMPT}{right}\n", f"{PROMPT}{wrong}\n"])
        assert await policy.check() == ["scripted-arithmetic"]
    assert scores[0] > 0 > scores[1]
