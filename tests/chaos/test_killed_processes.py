"""Killed at any moment, a run completes: no search twice, none lost, no node without its parent."""

from __future__ import annotations

import contextlib
import os
import signal
import time
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest

from tests.e2e.conftest import PROFILE, CommandHome, home, scripted_url, sums

__all__ = ["home", "scripted_url", "sums"]  # the fixtures of the end-to-end tests

TREES = (
    "SELECT p.question, s.node_no, s.parent_no, s.visit_count, s.value_sum, s.text"
    " FROM steps AS s JOIN problems AS p USING (problem_id) WHERE s.round = 1 ORDER BY 1, 2"
)
DONE = "SELECT count(*) AS n FROM searches WHERE status = 'done'"


def wait_until(condition: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + 120
    while not condition():
        assert time.monotonic() < deadline, f"{what} did not come about"
        time.sleep(0.05)


def workers(home: CommandHome) -> list[psutil.Process]:
    """The worker's main process and its children."""
    with contextlib.suppress(OSError, ValueError, KeyError, psutil.NoSuchProcess):
        import json

        noted = json.loads((home.path / "run" / "worker-1.pid").read_text())
        main = psutil.Process(noted["pid"])
        return [main, *main.children(recursive=True)]
    return []


def processes_of(home: CommandHome) -> list[psutil.Process]:
    """Whatever still runs with this home in its command or its environment."""
    found = []
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error):
            words = [*process.cmdline(), *process.environ().values()]
            if process.pid != os.getpid() and any(str(home.path) in word for word in words):
                found.append(process)
    return found


@pytest.mark.slow
def test_a_run_whose_worker_is_killed_gives_the_trees_of_an_undisturbed_one(
    home: CommandHome, sums: Path, tmp_path: Path
) -> None:
    evolve = ("evolve", "sums", "--profile", str(PROFILE), "--source", str(sums))
    home.run(*evolve)
    undisturbed = home.query(f"SELECT * FROM ({TREES}) AS t")
    home.run("down")

    disturbed = CommandHome(tmp_path / "disturbed", home.environment)
    process = disturbed.start(*evolve)
    for _ in range(3):
        wait_until(lambda: len(workers(disturbed)) > 1, "a working worker")
        for victim in workers(disturbed):
            with contextlib.suppress(psutil.NoSuchProcess):
                victim.kill()
    output, _ = process.communicate(timeout=300)
    assert process.returncode == 0, output
    assert disturbed.query(f"SELECT * FROM ({TREES}) AS t") == undisturbed
    assert "rules hold" in disturbed.run("db", "check")
    disturbed.run("down")


@pytest.mark.slow
@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGKILL])
def test_a_run_that_is_stopped_goes_on_where_it_was(
    home: CommandHome, sums: Path, how: signal.Signals
) -> None:
    evolve = ("evolve", "sums", "--profile", str(PROFILE), "--source", str(sums))
    process = home.start(*evolve)
    wait_until(lambda: len(workers(home)) > 1, "a working worker")
    os.kill(process.pid, how)
    assert process.wait(timeout=120) in (130, -signal.SIGKILL)
    output = home.run(*evolve)
    assert "Traceback" not in output
    assert home.query(DONE) == [{"n": 24}]
    assert "rules hold" in home.run("db", "check")
    home.run("down")
    assert processes_of(home) == []
