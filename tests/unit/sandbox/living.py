"""The processes of the guests that this process started, as the host sees them.

A program cannot hide from this count, and sees nothing of it itself.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from contextlib import suppress
from typing import TypeVar

import docker
import psutil

from services.sandbox.docker import WORKER_LABEL, worker_name

T = TypeVar("T")

Count = Callable[[], int]
"""How many processes live in the guests of one provider, the wardens included."""


def counted(kind: str) -> Count:
    """How to count the processes of a provider, `local` or `docker`."""
    return lambda: len(living(kind))


def most_resident(kind: str) -> int:
    """Bytes that the largest process of the guests has in memory."""
    return max(_of_each(living(kind), lambda process: int(process.memory_info().rss)))


def most_threads(kind: str) -> int:
    """Threads of that process of the guests that has most of them."""
    return max(_of_each(living(kind), lambda process: int(process.num_threads())))


def living(kind: str) -> list[psutil.Process]:
    """The processes of the guests that have not ended."""
    found = _in_containers() if kind == "docker" else _in_local_guests()
    states = _of_each(found, lambda p: p if p.status() != psutil.STATUS_ZOMBIE else None)
    return [process for process in states if process is not None]


def _of_each(processes: Iterable[psutil.Process], ask: Callable[[psutil.Process], T]) -> list[T]:
    """What the processes that are still there answer."""
    answers: list[T] = []
    for process in processes:
        with suppress(psutil.NoSuchProcess):
            answers.append(ask(process))
    return answers


def _in_local_guests() -> list[psutil.Process]:
    """Below each process that was started, which itself only waits for the first of its tree."""
    started = [p for p in psutil.Process(os.getpid()).children() if _runs_the_guest(p)]
    return [below for one in _of_each(started, _below) for below in one]


def _in_containers() -> list[psutil.Process]:
    client = docker.from_env()
    try:
        ours = {"label": f"{WORKER_LABEL}={worker_name()}"}
        found = client.containers.list(filters=ours, ignore_removed=True)
        started = [psutil.Process(int(c.attrs["State"]["Pid"])) for c in found]
        return [one for first in started for one in (first, *_below(first))]
    finally:
        client.close()


def _below(process: psutil.Process) -> list[psutil.Process]:
    return list(process.children(recursive=True))


def _runs_the_guest(process: psutil.Process) -> bool:
    with suppress(psutil.NoSuchProcess):
        return "guest/__main__.py" in " ".join(process.cmdline())
    return False
