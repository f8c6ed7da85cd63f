"""Guests, containers, states and steps are killed while 100 searches run; no label is another."""

from __future__ import annotations

import pytest

from services.sandbox.docker import DockerSandbox
from services.sandbox.local import LocalSandbox
from tests.integration.sandbox.killing import (
    Victims,
    is_root,
    labels,
    processes_of_containers,
    processes_of_local_guests,
)

SEARCHES = 100
LEAST_KILLS = 20

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not is_root(), reason="only root may kill the processes of guests"),
]


@pytest.mark.parametrize(
    ("kind", "victims"),
    [
        ("local", processes_of_local_guests),
        pytest.param("docker", processes_of_containers, marks=pytest.mark.engine("docker")),
    ],
)
async def test_searches_whose_sandbox_is_killed_again_and_again_get_the_same_labels(
    kind: str, victims: Victims
) -> None:
    # A process for every step, so that there are many to be killed.
    sandbox = DockerSandbox if kind == "docker" else LocalSandbox
    async with sandbox(guests=2, plain_steps=False) as provider:
        undisturbed, _ = await labels(provider, SEARCHES)
        disturbed, killer = await labels(provider, SEARCHES, victims=victims)
    assert killer.kills >= LEAST_KILLS
    assert disturbed == undisturbed
