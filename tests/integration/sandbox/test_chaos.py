"""Guests and workers die; searches go on with the same results, and nothing is left running."""

from __future__ import annotations

import asyncio
import multiprocessing
import os
import signal
import subprocess
import sys
import textwrap
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from multiprocessing.connection import Connection
from pathlib import Path

import docker
import pytest
from docker.models.containers import Container

from db.vocabulary import Outcome
from services.errors import SandboxUnavailable
from services.sandbox.base import ROOT_STATE, Limits, SandboxProvider, SandboxSession
from services.sandbox.docker import WORKER_LABEL, DockerSandbox, worker_name
from services.sandbox.local import LocalSandbox
from tests.engines import IMAGE
from tests.integration.sandbox.killing import local_guests

LIMITS = Limits(wall_seconds=2.0, cpu_seconds=2.0)
REPOSITORY = Path(__file__).resolve().parents[3]
INTERPRETER = Path(sys.executable).resolve()
SETTLING_SECONDS = 10.0


@contextmanager
def own_containers() -> Iterator[list[Container]]:
    """The containers that this process's providers have running."""
    client = docker.from_env()
    yield client.containers.list(filters={"label": f"{WORKER_LABEL}={worker_name()}"})
    client.close()


def has_containers() -> bool:
    with own_containers() as containers:
        return bool(containers)


def kill_local_guests() -> None:
    for guest in local_guests(os.getpid()):
        guest.kill()


def kill_containers() -> None:
    with own_containers() as containers:
        assert containers
        for container in containers:
            container.kill()


async def eventually(holds: Callable[[], bool]) -> bool:
    """Whether something comes true within the time that processes need to end."""
    deadline = asyncio.get_running_loop().time() + SETTLING_SECONDS
    while not holds():
        if asyncio.get_running_loop().time() > deadline:
            return False
        await asyncio.sleep(0.02)
    return True


async def grow(session: SandboxSession) -> list[int]:
    """A path of three states."""
    states = [ROOT_STATE]
    for code in ("x = [1]", "x.append(2)", "total = sum(x)"):
        state, execution = await session.execute(code, parent=states[-1])
        assert execution.outcome is Outcome.OK
        states.append(state)
    return states


async def survives(provider: SandboxProvider, kill: Callable[[], None]) -> None:
    """Kill every guest between two steps and in the middle of one; nothing of it is noticed."""
    sessions = [await provider.open_session() for _ in range(3)]
    paths = [await grow(session) for session in sessions]
    kill()
    for session, path in zip(sessions, paths, strict=True):
        _, execution = await session.execute("print(x, total)", parent=path[-1])
        assert execution.stdout == "[1, 2] 3\n"
        _, execution = await session.execute("print(x)", parent=path[1])
        assert execution.stdout == "[1]\n"
    started = asyncio.Event()

    async def slow_step(session: SandboxSession, parent: int) -> str:
        started.set()
        code = "import time; time.sleep(0.5); print(total)"
        _, execution = await session.execute(code, parent=parent)
        return execution.stdout

    running = asyncio.gather(
        *(slow_step(session, path[-1]) for session, path in zip(sessions, paths, strict=True))
    )
    await started.wait()
    await asyncio.to_thread(kill)
    assert await running == ["3\n"] * 3
    for session in sessions:
        await session.close()


async def test_local_guests_may_be_killed_at_any_time() -> None:
    async with LocalSandbox(limits=LIMITS, guests=2) as provider:
        await survives(provider, kill_local_guests)
    assert await eventually(lambda: not local_guests(os.getpid()))


@pytest.mark.engine("docker")
async def test_containers_may_be_killed_at_any_time() -> None:
    async with DockerSandbox(image=IMAGE, limits=LIMITS, guests=2) as provider:
        await survives(provider, kill_containers)
    assert await eventually(lambda: not has_containers())


async def test_a_session_outlives_many_deaths_of_its_guest() -> None:
    async with LocalSandbox(limits=LIMITS, guests=1) as provider:
        session = await provider.open_session()
        state = ROOT_STATE
        for depth in range(4):
            state, _ = await session.execute(f"x{depth} = {depth}", parent=state)
            kill_local_guests()
        _, execution = await session.execute("x0 + x1 + x2 + x3", parent=state)
        assert execution.value == "6"


async def test_states_that_do_not_come_back_the_same_are_the_sandboxes_failure() -> None:
    async with LocalSandbox(limits=LIMITS, guests=1) as provider:
        session = await provider.open_session()
        first, _ = await session.execute("import time\nx = time.time()", parent=ROOT_STATE)
        _, execution = await session.execute("x", parent=first)
        second, _ = await session.execute(f"assert x == {execution.value}", parent=first)
        kill_local_guests()
        with pytest.raises(SandboxUnavailable, match="ran before"):
            await session.execute("1", parent=second)


async def test_a_killed_worker_leaves_no_guest_behind() -> None:
    script = """
        import asyncio
        from services.sandbox.local import LocalSandbox
        async def main():
            provider = LocalSandbox(guests=1)
            await provider.start()
            session = await provider.open_session()
            await session.execute("x = 1", parent=0)
            print("ready", flush=True)
            await session.execute("while True: pass", parent=0)
        asyncio.run(main())
    """
    worker = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", textwrap.dedent(script)),
        stdout=subprocess.PIPE,
        cwd=REPOSITORY,
    )
    assert worker.stdout is not None
    assert await worker.stdout.readline() == b"ready\n"
    guests = local_guests(worker.pid)
    assert guests
    worker.send_signal(signal.SIGKILL)
    await worker.wait()
    assert await eventually(lambda: not any(guest.is_running() for guest in guests))


async def test_guests_start_in_a_daemonic_process() -> None:
    """A prefork worker's processes are daemonic, and may have no children of multiprocessing."""
    context = multiprocessing.get_context("fork")
    ours, theirs = context.Pipe()
    worker = context.Process(target=_work, args=(theirs,), daemon=True)
    worker.start()
    assert await asyncio.to_thread(ours.recv) == "42\n"
    await asyncio.to_thread(worker.join)


def _work(answer: Connection) -> None:
    async def execute() -> str:
        async with LocalSandbox(limits=LIMITS, guests=1) as provider:
            session = await provider.open_session()
            _, execution = await session.execute("print(42)", parent=ROOT_STATE)
            return execution.stdout

    answer.send(asyncio.run(execute()))
