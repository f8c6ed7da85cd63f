"""256 sessions of 64 states each: what they hold in memory, and what it costs to come back.

A guest keeps a bounded number of states alive and makes the others again when they are asked for,
so memory is bounded whatever the number of sessions. Every session's tree has six levels.
"""

from __future__ import annotations

import asyncio
import statistics
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

import psutil

from services.sandbox.base import ROOT_STATE
from services.sandbox.pool import GUEST_STATES, SESSION_STATES

if TYPE_CHECKING:
    from collections.abc import Sequence

    from services.sandbox.base import SandboxSession
    from services.sandbox.local import LocalSandbox

SESSIONS = 256
STATES = SESSION_STATES
BOUND_BYTES_A_STATE = 4 * 1024 * 1024
"""What a living state may take, page tables included, beside what its program made."""
BOUND_BYTES_A_GUEST = 256 * 1024 * 1024 + GUEST_STATES * BOUND_BYTES_A_STATE

_DEPTH = 6
_SAMPLES = 60


@dataclass(frozen=True, slots=True)
class Crowd:
    sessions: int
    states: int
    """Of each session."""
    seconds: float
    """To make them all."""
    bytes_a_guest: int
    """The most that a guest's processes held, shared pages counted once, page tables included."""
    living_milliseconds: float
    """Median of a step from a state that is alive."""
    rebuilt_milliseconds: float
    """Median of a step from a state of the deepest level that had to be made again, root first."""


async def measure(provider: LocalSandbox, *, guests: int, sessions: int = SESSIONS) -> Crowd:
    """Fill a started provider with sessions and come back to the oldest."""
    opened = [await provider.open_session() for _ in range(sessions)]
    started = time.perf_counter()
    room = asyncio.Semaphore(4 * guests)

    async def fill(session: SandboxSession, number: int) -> list[int]:
        async with room:
            return await _fill(session, number)

    largest = [0]
    watching = asyncio.create_task(_watch(largest))
    paths = await asyncio.gather(*(fill(session, k) for k, session in enumerate(opened)))
    seconds = time.perf_counter() - started
    watching.cancel()
    rebuilt = await _times(opened[:_SAMPLES], paths, again=False)
    living = await _times(opened[:_SAMPLES], paths, again=True)
    await asyncio.gather(*(session.close() for session in opened))
    return Crowd(sessions, STATES, seconds, max(largest) // guests, living, rebuilt)


async def _watch(held: list[int]) -> None:
    """Note what the guests hold, again and again until cancelled."""
    while True:
        held.append(await asyncio.to_thread(_bytes_held))
        await asyncio.sleep(2.0)


def _bytes_held() -> int:
    """Memory of all guests of this process: proportional set size and page tables."""
    held = 0
    for process in psutil.Process().children(recursive=True):
        try:
            with open(f"/proc/{process.pid}/smaps_rollup", encoding="ascii") as file:  # noqa: PTH123
                rows = file.readlines()
            with open(f"/proc/{process.pid}/status", encoding="utf-8") as file:  # noqa: PTH123
                rows += file.readlines()
        except OSError:
            continue
        kilobytes = (row.split()[1] for row in rows if row.startswith(("Pss:", "VmPTE:")))
        held += 1024 * sum(map(int, kilobytes))
    return held


async def _fill(session: SandboxSession, number: int) -> list[int]:
    """Make the session's states. Returns the path to the last of the deepest level."""
    path = [ROOT_STATE]
    for made in range(STATES):
        depth = made % _DEPTH
        if depth == 0:
            path = [ROOT_STATE]
        code = f"a{depth} = {number} + {made}\nnames_{depth} = [a{depth}] * 10"
        state, _ = await session.execute(code, parent=path[-1])
        path.append(state)
    return path


async def _times(
    sessions: Sequence[SandboxSession], paths: Sequence[list[int]], *, again: bool
) -> float:
    """Median milliseconds of a step after each session's deepest state.

    `again` asks each session once before, so that its state is alive.
    """
    times = []
    for session, path in zip(sessions, paths, strict=False):
        if again:
            await session.execute("b = a0 + 1", parent=path[-1])
        started = time.perf_counter()
        await session.execute("b = a0 + 1", parent=path[-1])
        times.append((time.perf_counter() - started) * 1000)
    return statistics.median(times)
