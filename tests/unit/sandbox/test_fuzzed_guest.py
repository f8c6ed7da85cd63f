"""Programs drawn by chance that write to the guest's channel, fork, signal and die in odd ways."""

from __future__ import annotations

from collections.abc import AsyncIterator
from random import Random

import pytest
import pytest_asyncio

from db.vocabulary import Outcome
from services.sandbox.base import ROOT_STATE, SandboxProvider
from tests.unit.sandbox.living import living
from tests.unit.sandbox.providers import PROCESSES, make_provider

pytestmark = pytest.mark.asyncio(loop_scope="module")

PROGRAMS = 30
HEAD = """
import ctypes, fcntl, os, platform, signal, socket, threading, time
libc = ctypes.CDLL(None)
clone = {'x86_64': 56, 'aarch64': 220}[platform.machine()]
def attempt(act):
    try: act()
    except Exception: pass
"""


def action(chance: Random) -> str:
    """An expression that does something to the guest."""
    words = chance.choice(["hello", "fork", "no fork", "", "ok"]).encode()
    noise = chance.randbytes(chance.choice([0, 1, 15, 16, 17, 40, 3000]))
    report = noise[:16].ljust(16, b"0") + b"".join(
        len(part).to_bytes(4, "big") + part
        for part in (chance.choice([b"ok", b"raised", b"timed_out", noise]), b"", noise, b"\xff")
    )
    packet = chance.choice([words, noise, report, report[:-1]])
    number = chance.randrange(65)
    return chance.choice(
        [
            f"os.write(3, {packet!r})",
            f"socket.send_fds(socket.socket(fileno=os.dup(3)), [{packet or b'x'!r}], [0, 1, 2])",
            f"libc.syscall(clone, {number}, 0, 0, 0, 0) or os._exit({number})",
            f"libc.syscall(clone, {0x8000 | number}, 0, 0, 0, 0) or os._exit({number})",
            f"os.fork() or (os.write(3, {packet!r}), os._exit(0))",
            f"signal.setitimer({number % 3}, 0.002)",
            "threading.Thread(target=time.sleep, args=(9,), daemon=True).start()",
            f"libc.prctl({chance.randrange(60)}, {chance.choice([0, 1, number])})",
            f"libc.syscall({chance.randrange(450)}, 0, 0, 0, 0, 0, 0)",
            f"fcntl.fcntl(3, {chance.randrange(1, 40)}, {number})",
            f"os._exit({number})" if chance.random() < 0.3 else "None",
            "os.close(3)" if chance.random() < 0.3 else "os.dup(3)",
        ]
    )


def program(seed: int) -> str:
    chance = Random(seed)
    lines = []
    for _ in range(chance.randrange(1, 6)):
        act = f"lambda: ({action(chance)})"
        moments = ("before", "after_in_child", "after_in_parent")
        later = f"os.register_at_fork({chance.choice(moments)}={act})"
        lines.append(later if chance.random() < 0.3 else f"attempt({act})")
    return HEAD + "\n".join(lines)


@pytest_asyncio.fixture(scope="module", loop_scope="module", params=PROCESSES)
async def guest(request: pytest.FixtureRequest) -> AsyncIterator[tuple[str, SandboxProvider]]:
    provider = make_provider(request.param)
    await provider.start()
    yield request.param, provider
    await provider.close()


async def test_no_program_ends_the_guest_or_a_state_of_another_session(
    guest: tuple[str, SandboxProvider],
) -> None:
    kind, provider = guest
    neighbour = await provider.open_session()
    kept, _ = await neighbour.execute("import sys\nkept = 7", parent=ROOT_STATE)
    before = {process.pid for process in living(kind)}
    assert len(before) == 3
    for seed in range(PROGRAMS):
        session = await provider.open_session()
        state, execution = await session.execute(program(seed), parent=ROOT_STATE)
        assert execution.outcome in set(Outcome), seed
        if execution.outcome is Outcome.OK:
            await session.execute("1 + 1", parent=state)
        await session.close()
        assert before <= {process.pid for process in living(kind)}, seed
    _, execution = await neighbour.execute("kept", parent=kept)
    assert execution.value == "7"
    await neighbour.close()
