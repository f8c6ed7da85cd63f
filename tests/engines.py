"""Which engines are there for tests, and what their absence means.

A test that needs an absent engine is skipped with the reason, unless STEPFORGE_REQUIRE names the
engine: then its absence is a failure.
"""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
from functools import cache
from pathlib import Path
from urllib.parse import urlparse

IMAGE = os.environ.get("STEPFORGE_SANDBOX_IMAGE", "stepforge-sandbox:latest")
AMQP_URL = os.environ.get("STEPFORGE_TEST_AMQP_URL", "amqp://guest:guest@127.0.0.1:5672//")
TRL_PRM = os.environ.get("STEPFORGE_TEST_TRL_PRM", "")
"""A folder with a TRL that still has its PRMTrainer."""
VLLM_URL = os.environ.get("STEPFORGE_TEST_VLLM_URL", "http://127.0.0.1:8000/v1")


def required() -> set[str]:
    return set(filter(None, os.environ.get("STEPFORGE_REQUIRE", "").split(",")))


@cache
def why_absent(engine: str) -> str | None:
    """Why an engine cannot be used here; None where it can."""
    if engine == "docker":
        return _why_no_docker()
    if engine == "rabbitmq":
        return _why_no_answer("RabbitMQ", AMQP_URL, default_port=5672)
    if engine == "vllm":
        return _why_no_answer("vLLM", VLLM_URL, default_port=8000)
    if engine == "prm_trainer":
        return _why_no_prm_trainer()
    raise ValueError(f"no engine is called {engine}")


def _why_no_prm_trainer() -> str | None:
    if (Path(TRL_PRM) / "trl" / "experimental" / "prm").is_dir():
        return None
    return "STEPFORGE_TEST_TRL_PRM names no folder of a TRL that has one, such as trl==1.13.0"


def _why_no_docker() -> str | None:
    if shutil.which("docker") is None:
        return "Docker is not installed"
    answer = subprocess.run(["docker", "image", "inspect", IMAGE], capture_output=True, check=False)
    if answer.returncode == 0:
        return None
    said = answer.stderr.decode(errors="replace").strip().splitlines()
    return said[-1] if said else "Docker does not answer"


def _why_no_answer(name: str, url: str, *, default_port: int) -> str | None:
    parsed = urlparse(url)
    try:
        with socket.create_connection(
            (parsed.hostname or "127.0.0.1", parsed.port or default_port), timeout=2
        ):
            return None
    except OSError as error:
        return f"{name} does not answer at {parsed.hostname}:{parsed.port}: {error}"
