"""A home of its own for each test, and `stepforge` run in it as a user runs it.

The policy and the PPM are the scripted arithmetic server behind the real HTTP API; all else is the
real thing: Postgres, broker, Celery worker, sandbox, grader, flows, training of a tiny model.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from tests.models import save_tiny_policy

PROFILE = Path(__file__).parent / "tiny.toml"

# A shell's background jobs ignore SIGINT, and so would every process that is started here.
signal.signal(signal.SIGINT, signal.default_int_handler)


@dataclass
class CommandHome:
    """Runs `stepforge` against one home folder."""

    path: Path
    environment: dict[str, str] = field(default_factory=dict)

    def start(self, *arguments: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [sys.executable, "-m", "flows.cli", *arguments],
            env={**os.environ, "STEPFORGE_HOME": str(self.path), **self.environment},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )

    def run(self, *arguments: str, expect: int = 0) -> str:
        process = self.start(*arguments)
        output, _ = process.communicate(timeout=300)
        assert process.returncode == expect, output
        return output

    def query(self, sql: str) -> list[dict[str, object]]:
        rows: list[dict[str, object]] = json.loads(self.run("query", "--json", sql))
        return rows


@contextmanager
def scripted_server(port_file: Path, *options: str) -> Iterator[str]:
    """Base URL of a scripted policy and PPM."""
    module = "services.inference.scripted_server"
    server = subprocess.Popen(
        [sys.executable, "-m", module, "--port-file", str(port_file), *options]
    )
    try:
        deadline = time.monotonic() + 60
        while not port_file.exists():
            assert server.poll() is None
            assert time.monotonic() < deadline
            time.sleep(0.05)
        yield f"http://127.0.0.1:{port_file.read_text().strip()}/v1"
    finally:
        server.terminate()
        server.wait(timeout=10)


@pytest.fixture(scope="session")
def scripted_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """One that keeps the contract."""
    with scripted_server(tmp_path_factory.mktemp("scripted") / "port") as url:
        yield url


@pytest.fixture
def sums(tmp_path: Path) -> Path:
    """Thirty sums with reference solutions in GSM8K's notation."""
    lines = []
    for number in range(30):
        left, right = 10 + number, 3 * number + 7
        total = left + right
        problem = {
            "id": f"sum-{number}",
            "question": f"What is {left} + {right}?",
            "answer": str(total),
            "solution": f"The total is {left}+{right}=<<{left}+{right}={total}>>{total}.",
        }
        lines.append(json.dumps(problem))
    path = tmp_path / "sums.jsonl"
    path.write_text("\n".join(lines) + "\n")
    return path


@pytest.fixture
def home(tmp_path: Path, scripted_url: str) -> Iterator[CommandHome]:
    model = tmp_path / "model"
    save_tiny_policy(model)
    command_home = CommandHome(
        tmp_path / "home",
        {
            "STEPFORGE_POLICY_URL": scripted_url,
            "STEPFORGE_PPM_URL": scripted_url,
            "STEPFORGE_BASE_MODEL": str(model),
            "STEPFORGE_SANDBOX": "local",
        },
    )
    yield command_home
    command_home.run("down")
