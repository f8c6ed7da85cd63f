"""How fast light steps run, beside a bare fork and wait of the same warm interpreter.

python -m tests.integration.sandbox.bench_steps [local|docker] [STEPS]
"""

from __future__ import annotations

import asyncio
import os
import sys
import time

import numpy  # noqa: F401 - makes this interpreter as warm as a guest
import sympy  # noqa: F401

from services.sandbox.base import ROOT_STATE, SandboxProvider
from services.sandbox.docker import DockerSandbox
from services.sandbox.local import LocalSandbox


def fork_milliseconds(rounds: int = 100) -> float:
    """Fork, exit and wait, without any of the sandbox."""
    started = time.perf_counter()
    for _ in range(rounds):
        pid = os.fork()
        if pid == 0:
            os._exit(0)
        os.waitpid(pid, 0)
    return (time.perf_counter() - started) / rounds * 1000


async def steps_per_second(provider: SandboxProvider, *, steps: int, sessions: int) -> float:
    """Light steps from one state, in so many sessions at once."""

    async def grow() -> None:
        session = await provider.open_session()
        state, _ = await session.execute("a = 1", parent=ROOT_STATE)
        for _ in range(steps // sessions):
            await session.execute("x = a + 1", parent=state)
        await session.close()

    started = time.perf_counter()
    await asyncio.gather(*(grow() for _ in range(sessions)))
    return steps / (time.perf_counter() - started)


async def main(kind: str, steps: int) -> None:
    print(f"bare fork and wait: {fork_milliseconds():.2f} ms")  # noqa: T201
    for guests, sessions in ((1, 1), (os.cpu_count() or 1, 16)):
        provider = DockerSandbox(guests=guests) if kind == "docker" else LocalSandbox(guests=guests)
        async with provider:
            rate = await steps_per_second(provider, steps=steps, sessions=sessions)
        print(f"{kind}, {guests} guests, {sessions} sessions: {rate:.0f} steps/s")  # noqa: T201


if __name__ == "__main__":
    kind, steps = [*sys.argv[1:], *("local", "400")[len(sys.argv) - 1 :]]
    asyncio.run(main(kind, int(steps)))
