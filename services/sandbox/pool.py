"""A fixed number of guests, each replaced when it ends, and sessions spread over them.

A guest runs one step at a time. Steps that shared a processor would count each other's work as
their own wall time, and a slow neighbour could turn a right step into one that timed out.
"""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

from services.errors import SandboxUnavailable
from services.sandbox.base import Isolation, Limits
from services.sandbox.channel import GuestChannel, GuestLost, Transport
from services.sandbox.guest.protocol import Op, Ready, Reply, Settings, Status
from services.sandbox.session import GuestSession

SESSION_STATES = 64
GUEST_STATES = 256
STATE_BYTES = 1024 * 1024 * 1024
PLAIN_STATES = 4096
"""One of a word problem holds about a kilobyte, and none more than some 32."""
PLAIN_BYTES = 128 * 1024 * 1024
"""What these may hold together."""

_STARTS = 3
_PAUSE_SECONDS = 0.2

Launch = Callable[[], Awaitable[tuple[Transport, Settings]]]
"""Starts a guest's process. Raises SandboxUnavailable, or OSError where it cannot be started."""


def guest_settings(limits: Limits, *, confine: bool, user_id: int, plain_steps: bool) -> Settings:
    """What a guest that enforces `limits` is started with."""
    return Settings(
        confine=confine,
        user_id=user_id,
        wall_seconds=limits.wall_seconds,
        cpu_seconds=limits.cpu_seconds,
        memory_bytes=limits.memory_bytes,
        output_bytes=limits.output_bytes,
        processes=limits.processes,
        session_states=SESSION_STATES,
        guest_states=GUEST_STATES,
        state_bytes=STATE_BYTES,
        plain_states=PLAIN_STATES if plain_steps else 0,
    )


class GuestSlot:
    """The place of one guest in the pool."""

    def __init__(self, launch: Launch) -> None:
        self.sessions = 0
        self.generation = 0
        """See `Guest.generation`."""
        self._launch = launch
        self._channel: GuestChannel | None = None
        self._starting = asyncio.Lock()
        self._turn = asyncio.Lock()
        self._closed = False

    async def request(
        self,
        op: Op,
        *,
        session: int,
        state: int = 0,
        parent: int = 0,
        code: str = "",
        candidates: tuple[int, ...] = (),
    ) -> Reply:
        """See `Guest.request`."""
        if op is Op.CLOSE and (self._channel is None or not self._channel.alive):
            return Reply(0, Status.DONE)  # The states ended with their guest.
        channel = await self._living()
        return await channel.request(
            op, session=session, state=state, parent=parent, code=code, candidates=candidates
        )

    @asynccontextmanager
    async def turn(self) -> AsyncIterator[None]:
        """See `Guest.turn`."""
        async with self._turn:
            yield

    async def start(self) -> Ready:
        """Start the guest unless it runs. Raises SandboxUnavailable."""
        return (await self._living()).ready

    def leave(self) -> None:
        self.sessions -= 1

    async def close(self) -> None:
        self._closed = True
        async with self._starting:
            if self._channel is not None:
                await self._channel.close()

    async def _living(self) -> GuestChannel:
        """The guest, a new one where the last has ended."""
        async with self._starting:
            if self._channel is not None and self._channel.alive:
                return self._channel
            for attempt in range(_STARTS):
                if self._closed:
                    break
                try:
                    transport, settings = await self._launch()
                    self._channel = await GuestChannel.connect(transport, settings)
                    self.generation += 1
                    return self._channel
                except (GuestLost, OSError) as error:
                    if attempt == _STARTS - 1:
                        raise SandboxUnavailable(
                            f"The sandbox guest could not be started in {_STARTS} attempts. {error}"
                        ) from error
                await asyncio.sleep(_PAUSE_SECONDS * 2**attempt)
            raise SandboxUnavailable("The sandbox is closed. Open a new one.")


class GuestPool:
    """A `SandboxProvider` over guests that `launch` starts."""

    def __init__(
        self, launch: Launch, *, provider: str, guests: int, allow_unisolated: bool
    ) -> None:
        if guests < 1:
            raise ValueError(f"A pool has at least one guest, not {guests}.")
        self._provider = provider
        self._allow_unisolated = allow_unisolated
        self._slots = [GuestSlot(launch) for _ in range(guests)]
        self._numbers = itertools.count(1)
        self._isolation: Isolation | None = None

    async def __aenter__(self) -> GuestPool:
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def start(self) -> None:
        """See `SandboxProvider.start`."""
        try:
            ready = await asyncio.gather(*(slot.start() for slot in self._slots))
            self._refuse_unisolated(ready[0])
            self._isolation = self._describe(ready[0])
        except BaseException:
            await self.close()
            raise

    @property
    def isolation(self) -> Isolation:
        """See `SandboxProvider.isolation`."""
        if self._isolation is None:
            raise SandboxUnavailable("The sandbox has not been started. Await its start() first.")
        return self._isolation

    async def open_session(self) -> GuestSession:
        """See `SandboxProvider.open_session`."""
        if self._isolation is None:
            raise SandboxUnavailable("The sandbox has not been started. Await its start() first.")
        slot = min(self._slots, key=lambda slot: slot.sessions)
        slot.sessions += 1
        return GuestSession(slot, next(self._numbers))

    async def close(self) -> None:
        """See `SandboxProvider.close`."""
        await asyncio.gather(*(slot.close() for slot in self._slots))

    def _describe(self, ready: Ready) -> Isolation:
        limits = ["time, memory and output limits"]
        missing = list(ready.missing)
        # The kernel does not count the processes of a user who may do anything.
        counted = {"unprivileged user", "no capabilities"} <= set(ready.enforced)
        (limits if counted else missing).append("process limit")
        return Isolation(
            provider=self._provider,
            image=self._image(ready),
            enforced=(*ready.enforced, *limits),
            missing=tuple(missing),
        )

    def _image(self, ready: Ready) -> str:
        """What the steps ran in, as it is stored with each search."""
        return ready.version

    def _refuse_unisolated(self, ready: Ready) -> None:
        """Model text runs here: without a wall around it only on the user's explicit word."""
        enforced = set(ready.enforced)
        walls = {"system call filter", "own process tree"} & enforced
        if self._allow_unisolated or ("no network" in enforced and walls):
            return
        raise SandboxUnavailable(
            f"The {self._provider} sandbox cannot wall off the model's programs here; missing:"
            f" {', '.join(ready.missing)}. Use Docker, or set"
            " STEPFORGE_ALLOW_UNISOLATED_SANDBOX=true where the programs are trusted."
        )
