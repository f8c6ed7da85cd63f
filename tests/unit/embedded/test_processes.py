"""Whoever waits for a process to end waits no longer than it runs."""

from __future__ import annotations

import subprocess
import sys

import psutil

from services.embedded.processes import still_running


def test_an_ended_process_that_nobody_has_collected_is_not_waited_for() -> None:
    child = subprocess.Popen([sys.executable, "-c", ""])
    process = psutil.Process(child.pid)
    assert still_running([process], after_seconds=60) == []
    assert process.status() == psutil.STATUS_ZOMBIE
    child.wait()


def test_a_process_that_goes_on_is_waited_for_no_longer_than_was_asked() -> None:
    child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
    process = psutil.Process(child.pid)
    assert still_running([process], after_seconds=0.1) == [process]
    child.kill()
    child.wait()
