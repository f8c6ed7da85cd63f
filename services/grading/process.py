"""A grader that cannot hang: sympy lives in a process of its own, which is killed past its limit.

What needs no algebra is decided here; the rest goes to a `services.grading.server`, several
requests at a time, each with its own limit from the moment the one before it was answered. A pair
that is killed for time, or that kills its server twice, is `undecided`; its neighbours are not.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import sys
from collections import deque
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from db.vocabulary import Verdict
from services.errors import GraderUnavailable
from services.grading.answers import MOST_CHARACTERS, accepted, compare, is_plain
from services.grading.notation import normalise
from services.grading.server import READY

if TYPE_CHECKING:
    from types import TracebackType

_REPOSITORY = Path(__file__).resolve().parent.parent.parent
_START_SECONDS = 60.0
_MOST_IN_FLIGHT = 32
"""Requests written ahead to one server; they must fit in its pipe (64 KiB) with room to spare."""
_LONGEST_REQUEST = 8_000
"""Bytes; a longer request, which only escapes could make of so few characters, is undecided."""
_IN_FLIGHT_BYTES = 32_768


@dataclass(slots=True, eq=False)
class _Request:
    line: bytes
    verdict: asyncio.Future[Verdict]
    attempts: int = 0


class ProcessGrader:
    """The `services.grading.base.Grader` of production.

    Belongs to the event loop it is first used in. Servers start at the first pair that needs one.

    Args:
        processes: servers that run at a time, at least 1.
        limit_seconds: wall time of one comparison.
        memory_bytes: address space of one server.
    """

    def __init__(
        self,
        processes: int = 1,
        limit_seconds: float = 5.0,
        *,
        memory_bytes: int = 1024 * 1024 * 1024,
    ) -> None:
        self._processes = processes
        self._limit = limit_seconds
        self._memory = memory_bytes
        self._waiting: deque[_Request] = deque()
        self._arrived = asyncio.Event()
        self._workers: list[asyncio.Task[None]] = []
        self._closed = False

    async def __aenter__(self) -> ProcessGrader:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.close()

    async def grade(self, answer: str, *, truth: str) -> Verdict:
        """See `Grader.grade`."""
        verdicts = {compare(answer, one) for one in accepted(truth)}
        if Verdict.EQUAL in verdicts:
            return Verdict.EQUAL
        if None in verdicts:
            return await self._ask(json.dumps({"answer": answer, "truth": truth}))
        return Verdict.UNDECIDED if Verdict.UNDECIDED in verdicts else Verdict.DIFFERENT

    async def is_gradable(self, truth: str) -> bool:
        """See `Grader.is_gradable`."""
        answers = accepted(truth)
        if any(not normalise(one) or len(one) > MOST_CHARACTERS for one in answers):
            return False
        if all(map(is_plain, answers)):
            return True
        return await self._ask(json.dumps({"truth": truth})) is Verdict.EQUAL

    async def close(self) -> None:
        """See `Grader.close`."""
        self._closed = True
        for worker in self._workers:
            worker.cancel()
        await asyncio.gather(*self._workers, return_exceptions=True)
        self._workers.clear()
        _fail(self._waiting, "it was closed")
        self._waiting.clear()

    async def _ask(self, request: str) -> Verdict:
        if self._closed:
            raise GraderUnavailable("The grader is closed. Open another one.")
        line = request.encode("ascii") + b"\n"
        if len(line) > _LONGEST_REQUEST:
            return Verdict.UNDECIDED
        asked = _Request(line, asyncio.get_running_loop().create_future())
        self._waiting.append(asked)
        self._arrived.set()
        self._workers = [worker for worker in self._workers if not worker.done()]
        if len(self._workers) < min(self._processes, len(self._waiting) + len(self._workers)):
            self._workers.append(asyncio.create_task(self._work()))
        return await asked.verdict

    async def _work(self) -> None:
        """Keep one server busy until the grader is closed."""
        server = _Server(self._limit, self._memory)
        batch: deque[_Request] = deque()
        try:
            while True:
                self._take(batch)
                if not batch:
                    self._arrived.clear()
                    await self._arrived.wait()
                    continue
                await server.answer(batch)
        finally:
            _fail(batch, "it was closed")
            await server.kill()

    def _take(self, batch: deque[_Request]) -> None:
        """Move waiting requests to the batch, as many as may be in flight."""
        size = sum(len(asked.line) for asked in batch)
        share = max(1, -(-len(self._waiting) // self._processes))
        while self._waiting and len(batch) < min(share, _MOST_IN_FLIGHT):
            if batch and size + len(self._waiting[0].line) > _IN_FLIGHT_BYTES:
                break
            size += len(self._waiting[0].line)
            batch.append(self._waiting.popleft())


class _Server:
    """One server process, started when it is needed."""

    def __init__(self, limit_seconds: float, memory_bytes: int) -> None:
        self._limit = limit_seconds
        self._memory = memory_bytes
        self._process: asyncio.subprocess.Process | None = None

    async def answer(self, batch: deque[_Request]) -> None:
        """Answer every request of the batch and empty it; it never raises for what they hold."""
        while batch:
            try:
                process = await self._started()
            except GraderUnavailable as error:
                _fail(batch, str(error))
                batch.clear()
                return
            with contextlib.suppress(BrokenPipeError, ConnectionResetError):
                assert process.stdin is not None
                process.stdin.write(b"".join(asked.line for asked in batch))
                await process.stdin.drain()
            await self._read_replies(process, batch)

    async def _read_replies(
        self, process: asyncio.subprocess.Process, batch: deque[_Request]
    ) -> None:
        """Settle requests in order until the batch is empty or the server is gone."""
        assert process.stdout is not None
        while batch:
            asked = batch[0]
            asked.attempts += 1
            try:
                async with asyncio.timeout(self._limit):
                    line = await process.stdout.readline()
            except TimeoutError:
                await self.kill()
                _settle(batch.popleft(), Verdict.UNDECIDED)
                return
            if not line.endswith(b"\n"):
                # Somebody else may have killed it, so the pair gets a second chance.
                await self.kill()
                if asked.attempts > 1:
                    _settle(batch.popleft(), Verdict.UNDECIDED)
                return
            _settle(batch.popleft(), Verdict(json.loads(line)))

    async def kill(self) -> None:
        """End the process, whatever it is doing."""
        process, self._process = self._process, None
        if process is None:
            return
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        await process.wait()

    async def _started(self) -> asyncio.subprocess.Process:
        if self._process is not None and self._process.returncode is None:
            return self._process
        await self.kill()
        try:
            self._process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-m", "services.grading.server"),
                *("--memory-bytes", str(self._memory)),
                *("--orphan-seconds", str(2 * self._limit + 5)),
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.DEVNULL,
                cwd="/",
                env={"PATH": os.defpath, "PYTHONPATH": str(_REPOSITORY), "LANG": "C.UTF-8"},
            )
            assert self._process.stdout is not None
            async with asyncio.timeout(_START_SECONDS):
                line = await self._process.stdout.readline()
        except (OSError, TimeoutError) as error:
            await self.kill()
            raise GraderUnavailable(
                f"The grader's process did not start: {error!r}. Try {sys.executable} "
                "-m services.grading.server --help, then start the worker again."
            ) from error
        if line.strip() != json.dumps(READY).encode():
            await self.kill()
            raise GraderUnavailable(
                "The grader's process ended while it started; its memory limit of "
                f"{self._memory:,} bytes may be too small, or math-verify is not installed."
            )
        return self._process


def _settle(asked: _Request, verdict: Verdict) -> None:
    if not asked.verdict.done():  # its caller may have been cancelled
        asked.verdict.set_result(verdict)


def _fail(requests: deque[_Request], why: str) -> None:
    for asked in requests:
        if not asked.verdict.done():
            asked.verdict.set_exception(GraderUnavailable(f"The grader gave no verdict: {why}."))
