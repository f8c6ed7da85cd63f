"""The processes of the guests that this process started, as the host sees them.

A program cannot hide from this count, and sees nothing of it itself.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import suppress

import docker
import psutil

from services.sandbox.docker import WORKER_LABEL, worker_name

Count = Callable[[], int]
"""How many processes live in the guests of one provider, the wardens included."""


def counted(kind: str) -> Count:
    """How to count the processes of a provider, `local` or `docker`."""
    return _in_containers if kind == "docker" else _in_local_guests


def _in_local_guests() -> int:
    """Below each process that was started, which itself only waits for the first of its tree."""
    started = [p for p in psutil.Process(os.getpid()).children() if _runs_the_guest(p)]
    return sum(_living(process) - 1 for process in started)


def _in_containers() -> int:
    client = docker.from_env()
    try:
        ours = {"label": f"{WORKER_LABEL}={worker_name()}"}
        found = client.containers.list(filters=ours, ignore_removed=True)
        return sum(_living(psutil.Process(int(c.attrs["State"]["Pid"]))) for c in found)
    finally:
        client.close()


def _living(process: psutil.Process) -> int:
    alive = 0
    for one in (process, *process.children(recursive=True)):
        with suppress(psutil.NoSuchProcess):
            alive += one.status() != psutil.STATUS_ZOMBIE
    return alive


def _runs_the_guest(process: psutil.Process) -> bool:
    with suppress(psutil.NoSuchProcess):
        return "guest/__main__.py" in " ".join(process.cmdline())
    return False
