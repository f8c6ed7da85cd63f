"""Searches in a sandbox whose processes are killed under them.

What is killed, and when, follows from a seed and from the number of steps that have run, so that a
failure can be looked at again. A search that meets an outage is grown on, as a worker would.
"""

from __future__ import annotations

import asyncio
import os
import random
import signal
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field

import docker
import psutil

from services.errors import SandboxUnavailable
from services.grading.plain import PlainGrader
from services.inference.scripted import ScriptedPolicy
from services.inference.scripted_arithmetic import write_step
from services.profiles import SearchProfile
from services.sandbox.base import Execution, SandboxProvider, SandboxSession
from services.sandbox.docker import WORKER_LABEL, worker_name
from services.search.grow import grow
from services.search.protocols import Assignment, Collaborators
from services.search.tree import Tree

PROFILE = SearchProfile(rollouts=4, candidates=4, max_depth=6)
STEPS_BETWEEN_KILLS = 40
TREES_AT_ONCE = 16

Label = tuple[int, str, str, str, int, float]
"""Of one node: its number, text, outcome, observation, visits and sum of rewards."""

Victims = Callable[[], list[psutil.Process]]
"""The processes that run now and may be killed."""


@dataclass
class Killer:
    """Kills one of the victims after every so many steps, while a step runs."""

    victims: Victims
    chance: random.Random = field(default_factory=lambda: random.Random(11))
    steps: int = 0
    kills: int = 0

    async def after_a_step(self) -> None:
        self.steps += 1
        if self.steps % STEPS_BETWEEN_KILLS == 0:
            await asyncio.to_thread(self._kill)

    def _kill(self) -> None:
        living = sorted(self.victims(), key=lambda process: process.pid)
        if living:
            victim = self.chance.choice(living)
            with suppress(psutil.NoSuchProcess):
                victim.send_signal(signal.SIGKILL)
                self.kills += 1


@dataclass
class DisturbedSession:
    """A session; each of its steps may be the one at which something is killed."""

    session: SandboxSession
    killer: Killer

    async def execute(self, code: str, *, parent: int) -> tuple[int, Execution]:
        (state, execution), _ = await asyncio.gather(
            self.session.execute(code, parent=parent), self.killer.after_a_step()
        )
        return state, execution


def local_guests(parent: int) -> list[psutil.Process]:
    """What lives of the guests that a process started: wardens, root states, states and steps."""
    return [
        process
        for process in psutil.Process(parent).children(recursive=True)
        if _runs_the_guest(process)
    ]


def processes_of_local_guests() -> list[psutil.Process]:
    """The same of this process."""
    return local_guests(os.getpid())


def processes_of_containers() -> list[psutil.Process]:
    """Every process in the containers of this process's providers; the first of each is its end."""
    client = docker.from_env()
    found = []
    for container in client.containers.list(
        filters={"label": f"{WORKER_LABEL}={worker_name()}"}, ignore_removed=True
    ):
        with suppress(psutil.NoSuchProcess, docker.errors.NotFound):
            first = psutil.Process(int(container.attrs["State"]["Pid"]))
            found += [first, *first.children(recursive=True)]
    client.close()
    return found


def _runs_the_guest(process: psutil.Process) -> bool:
    with suppress(psutil.NoSuchProcess):
        alive = process.status() != psutil.STATUS_ZOMBIE
        return alive and "guest/__main__.py" in " ".join(process.cmdline())
    return False


async def labels(
    provider: SandboxProvider, searches: int, *, victims: Victims = list
) -> tuple[list[list[Label]], Killer]:
    """Grow the searches and return what every node was labelled, and what was done to them."""
    killer = Killer(victims)
    room = asyncio.Semaphore(TREES_AT_ONCE)

    async def one(number: int) -> list[Label]:
        async with room:
            return await _grow(provider, killer, number)

    return await asyncio.gather(*(one(number) for number in range(searches))), killer


async def _grow(provider: SandboxProvider, killer: Killer, number: int) -> list[Label]:
    left, right = 10 + number, 3 + 7 * number
    tree = Tree(f"What is {left} + {right}?")
    assignment = Assignment(profile=PROFILE, seed=number, truth=str(left + right), affinity=number)
    session = await provider.open_session()
    collaborators = Collaborators(
        policy=ScriptedPolicy(write_step),
        executor=DisturbedSession(session, killer),
        grader=PlainGrader(),
    )
    while tree.rollouts < PROFILE.rollouts:
        with suppress(SandboxUnavailable):
            await grow(tree, assignment, collaborators)
    await session.close()
    return [
        (
            node.number,
            node.text,
            node.outcome.value,
            node.observation,
            node.visit_count,
            node.value_sum,
        )
        for node in tree.nodes
    ]


def is_root() -> bool:
    """Whether this process may kill those of other users, as guests' are."""
    return os.geteuid() == 0
