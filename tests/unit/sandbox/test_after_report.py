"""The limits of a step hold for its children, and for its state as long as that lives."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable

import pytest
import pytest_asyncio

from db.vocabulary import Outcome
from services.sandbox.base import ROOT_STATE, Limits, SandboxProvider
from services.sandbox.local import LocalSandbox
from tests.unit.sandbox.hostile import SETTLING_SECONDS
from tests.unit.sandbox.living import counted, most_resident, most_threads
from tests.unit.sandbox.providers import LIMITS, PROCESSES, make_provider

pytestmark = pytest.mark.asyncio(loop_scope="module")

MIB = 1024 * 1024
AFTER_THE_FORK = "import os\n{what}\nos.register_at_fork(after_in_parent=take)"
"""Goes on in the state when a later step has been forked from it."""

MEMORY = AFTER_THE_FORK.format(
    what="import time\nheld = []\ndef take():\n"
    "    while len(held) < 64: held.append(b'x' * 2**25), time.sleep(0.05)"
)
THREADS = AFTER_THE_FORK.format(
    what="import threading, time\ndef take():\n    for _ in range(120):\n"
    "        threading.Thread(target=time.sleep, args=(60,), daemon=True).start()"
)
CHILDREN = AFTER_THE_FORK.format(
    what="import ctypes\nfork = ctypes.PyDLL(None).fork\ndef take():\n    for _ in range(4):\n"
    "        if not fork():\n            while True: pass"
)
EVERY_THREAD = f"""
import threading, time
threads = [threading.Thread(target=time.sleep, args=(0.05,)) for _ in range({LIMITS.processes})]
for thread in threads: thread.start()
for thread in threads: thread.join()
"""


@pytest.fixture(scope="module", params=PROCESSES)
def kind(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def provider(kind: str) -> AsyncIterator[SandboxProvider]:
    provider = make_provider(kind)
    await provider.start()
    yield provider
    await provider.close()


async def settles(holds: Callable[[], bool]) -> bool:
    deadline = time.monotonic() + SETTLING_SECONDS
    # Nobody tells when a process of another process has ended.
    while not (held := holds()) and time.monotonic() < deadline:  # noqa: ASYNC110
        await asyncio.sleep(0.02)
    return held


@pytest.mark.parametrize("what", [MEMORY, THREADS, CHILDREN], ids=["memory", "threads", "children"])
async def test_a_state_takes_nothing_after_its_step_and_nothing_from_another_session(
    provider: SandboxProvider, kind: str, what: str
) -> None:
    at_rest = counted(kind)()
    ours, theirs = await provider.open_session(), await provider.open_session()
    await theirs.execute("import sys", parent=ROOT_STATE)
    warm = most_resident(kind)
    state, execution = await theirs.execute(what, parent=ROOT_STATE)
    assert execution.outcome is Outcome.OK
    child, _ = await theirs.execute("import sys", parent=state)
    _, execution = await ours.execute(EVERY_THREAD, parent=ROOT_STATE)
    assert (execution.outcome, execution.exception_message) == (Outcome.OK, "")
    assert most_resident(kind) < warm + LIMITS.memory_bytes + 64 * MIB
    assert await settles(lambda: most_resident(kind) < warm + 64 * MIB)
    assert await settles(lambda: most_threads(kind) == 1)
    await ours.close()
    # The state may be alive or not, and its children go on.
    await theirs.execute("1", parent=child)
    await theirs.close()
    assert await settles(lambda: counted(kind)() == at_rest)


async def test_what_its_children_hold_counts_as_the_memory_of_a_step(
    provider: SandboxProvider,
) -> None:
    session = await provider.open_session()
    each = LIMITS.memory_bytes // 4
    code = (
        "import os, time\nfor _ in range(6):\n    if not os.fork():\n"
        f"        held = b'x' * {each}\n        time.sleep(60)\ntime.sleep(60)"
    )
    _, execution = await session.execute(code, parent=ROOT_STATE)
    assert execution.outcome is Outcome.OUT_OF_MEMORY
    assert "together" in execution.exception_message
    await session.close()


async def test_memory_that_children_share_with_the_step_counts_once(
    provider: SandboxProvider,
) -> None:
    session = await provider.open_session()
    code = (
        f"import os, time\nheld = b'x' * {LIMITS.memory_bytes // 2}\nfor _ in range(4):\n"
        "    if not os.fork():\n        time.sleep(0.3)\n        os._exit(0)\n"
        "for _ in range(4): os.wait()"
    )
    _, execution = await session.execute(code, parent=ROOT_STATE)
    assert (execution.outcome, execution.exception_message) == (Outcome.OK, "")
    await session.close()


async def test_what_lies_in_the_buffers_of_sockets_is_little(provider: SandboxProvider) -> None:
    session = await provider.open_session()
    code = """
import socket
filled, sockets = 0, []
try:
    while True:
        pair = socket.socketpair()
        sockets += pair
        for end in pair:
            end.setblocking(False)
            try: end.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 2**22)
            except PermissionError: pass
        for end in pair:
            try:
                while True: filled += end.send(b'x' * 2**16)
            except BlockingIOError: pass
except OSError: sockets.clear()
filled"""
    _, execution = await session.execute(code, parent=ROOT_STATE)
    assert execution.outcome is Outcome.OK
    assert 0 < int(execution.value) < 32 * MIB
    await session.close()


async def test_what_its_children_compute_counts_as_the_time_of_a_step() -> None:
    limits = Limits(wall_seconds=20.0, cpu_seconds=0.4)
    async with LocalSandbox(limits=limits, guests=1) as local:
        session = await local.open_session()
        code = (
            "import os, time\nfor _ in range(2):\n    if not os.fork():\n"
            "        while True: pass\ntime.sleep(60)"
        )
        _, execution = await session.execute(code, parent=ROOT_STATE)
        assert execution.outcome is Outcome.TIMED_OUT
        assert "processor" in execution.exception_message
