"""The provider without an engine: guests are processes of this host in namespaces of their own.

Works as root and as an ordinary user; how much of the confinement the kernel grants is found out by
the guest and told in `isolation`. Starts nothing but asyncio subprocesses, so that it also works in
a daemonic worker process.
"""

from __future__ import annotations

import asyncio
import os
import sys
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from services.errors import SandboxUnavailable
from services.sandbox.base import Limits
from services.sandbox.guest import protocol
from services.sandbox.launch import GUEST_ENVIRONMENT, GUEST_FLAGS, fresh_user
from services.sandbox.pool import GuestPool, guest_settings

if TYPE_CHECKING:
    from services.sandbox.channel import Transport

_GUEST = Path(protocol.__file__).parent / "__main__.py"
_WORDS_BYTES = 4096
_END_SECONDS = 5.0


class LocalSandbox(GuestPool):
    """A `SandboxProvider` on this host's own interpreter; one guest for each core by default.

    Without `plain_steps` every step runs in a process of its own, also plain arithmetic.
    """

    def __init__(
        self,
        *,
        limits: Limits | None = None,
        guests: int | None = None,
        allow_unisolated: bool = False,
        plain_steps: bool = True,
    ) -> None:
        self._limits = limits or Limits()
        self._plain_steps = plain_steps
        super().__init__(
            self._start_guest,
            provider="local",
            guests=guests or len(os.sched_getaffinity(0)),
            allow_unisolated=allow_unisolated,
        )

    async def start(self) -> None:
        """See `SandboxProvider.start`."""
        if sys.platform != "linux":
            raise SandboxUnavailable(
                "The local sandbox needs Linux. Install Docker and set STEPFORGE_SANDBOX=docker."
            )
        await super().start()

    async def _start_guest(self) -> tuple[Transport, protocol.Settings]:
        user = fresh_user() if os.geteuid() == 0 else 0
        settings = guest_settings(
            self._limits, confine=True, user_id=user, plain_steps=self._plain_steps
        )
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, *GUEST_FLAGS, str(_GUEST), protocol.to_json(settings)),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            env=GUEST_ENVIRONMENT,
            cwd="/",
            start_new_session=True,
        )
        return LocalGuest(process), settings


class LocalGuest:
    """A `Transport` to a guest that is a child process."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        if process.stdin is None or process.stdout is None or process.stderr is None:
            raise ValueError("The guest's streams must be pipes.")
        self._process = process
        self._writer = process.stdin
        self._reader = process.stdout
        self._words = bytearray()
        self._hearing = asyncio.create_task(self._hear(process.stderr))

    @property
    def reader(self) -> asyncio.StreamReader:
        return self._reader

    @property
    def pid(self) -> int:
        """The process that was started; the guest itself may be its child in a new tree."""
        return self._process.pid

    async def write(self, data: bytes) -> None:
        """See `Transport.write`."""
        self._writer.write(data)
        await self._writer.drain()

    async def end(self) -> None:
        """See `Transport.end`."""
        with suppress(ProcessLookupError):
            self._process.kill()
        with suppress(OSError):
            self._writer.close()
        with suppress(TimeoutError):
            async with asyncio.timeout(_END_SECONDS):
                await self._process.wait()
                await self._hearing

    def last_words(self) -> str:
        """See `Transport.last_words`."""
        return self._words.decode("utf-8", "replace").strip()

    async def _hear(self, stream: asyncio.StreamReader) -> None:
        while heard := await stream.read(_WORDS_BYTES):
            self._words += heard
            del self._words[:-_WORDS_BYTES]
