"""A started guest as something that answers requests, or is lost as a whole.

Replies find their requests by id. Whatever goes wrong (the stream ends, a frame makes no sense, no
answer comes in time) ends the guest and fails every request on it with `GuestLost`; there is no
half-working guest.
"""

from __future__ import annotations

import asyncio
import itertools
from contextlib import suppress
from typing import Protocol

from db.vocabulary import Outcome
from services.sandbox.guest.protocol import (
    HEADER,
    PATIENCE,
    Op,
    ProtocolError,
    Ready,
    Reply,
    Request,
    Settings,
    Status,
    decode,
    encode,
    frame_length,
)

_START_SECONDS = 60.0
_ANSWER_SECONDS = 10.0
"""How much later than its limits allow an answer may come before the guest counts as hung."""


class GuestLost(Exception):
    """The guest has ended, or was ended because it no longer made sense."""


class Transport(Protocol):
    """A started guest as a pair of byte streams and an end."""

    @property
    def reader(self) -> asyncio.StreamReader: ...

    async def write(self, data: bytes) -> None:
        """Send bytes to the guest. Raises OSError where it is gone."""
        ...

    async def end(self) -> None:
        """Kill the guest with all that is in it and wait for that. Never raises."""
        ...

    def last_words(self) -> str:
        """The end of what the guest wrote to its error stream."""
        ...


class GuestChannel:
    """Requests to one guest; `ready` is what it said of itself."""

    def __init__(self, transport: Transport, ready: Ready, settings: Settings) -> None:
        self.ready = ready
        self._transport = transport
        self._patience = PATIENCE * settings.wall_seconds + _ANSWER_SECONDS
        self._ids = itertools.count(1)
        self._waiting: dict[int, asyncio.Future[Reply]] = {}
        self._lost = ""
        self._listener = asyncio.create_task(self._listen())

    @classmethod
    async def connect(cls, transport: Transport, settings: Settings) -> GuestChannel:
        """Wait until the guest is warm. Raises GuestLost, with its last words, if it never is."""
        try:
            async with asyncio.timeout(_START_SECONDS):
                ready = decode(await _read_frame(transport.reader), Ready)
        except (TimeoutError, EOFError, OSError, ProtocolError) as error:
            await transport.end()
            raise GuestLost(
                f"The guest did not start ({type(error).__name__}). Its last words:"
                f" {transport.last_words() or 'none'}"
            ) from error
        except asyncio.CancelledError:
            await transport.end()
            raise
        return cls(transport, ready, settings)

    @property
    def alive(self) -> bool:
        return not self._lost

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
        """Ask the guest. Raises GuestLost; a step that is waited for no longer is stopped."""
        if self._lost:
            raise GuestLost(self._lost)
        request = Request(next(self._ids), op, session, state, parent, code, candidates)
        answer: asyncio.Future[Reply] = asyncio.get_running_loop().create_future()
        self._waiting[request.id] = answer
        try:
            await self._transport.write(encode(request))
            async with asyncio.timeout(self._patience):
                return await answer
        except TimeoutError as error:
            await self._lose("the guest does not answer")
            raise GuestLost(self._lost) from error
        except OSError as error:
            await self._lose(f"the guest does not listen: {error}")
            raise GuestLost(self._lost) from error
        except asyncio.CancelledError:
            with suppress(OSError):
                stop = Request(next(self._ids), Op.STOP, session, request.id)
                await self._transport.write(encode(stop))
            raise
        finally:
            self._waiting.pop(request.id, None)

    async def close(self) -> None:
        """End the guest. Never raises."""
        self._listener.cancel()
        await self._lose("the guest was closed")

    async def _listen(self) -> None:
        try:
            while True:
                reply = decode(await _read_frame(self._transport.reader), Reply)
                told = reply.outcome or reply.status is Status.KILLED
                if told and reply.outcome not in set(Outcome):
                    raise ProtocolError(f"There is no outcome {reply.outcome[:40]!r}.")
                answer = self._waiting.get(reply.id)
                if answer is not None and not answer.done():
                    answer.set_result(reply)
        except (EOFError, OSError):
            await self._lose("the guest has ended")
        except ProtocolError as error:
            await self._lose(f"the guest speaks no sense: {error}")

    async def _lose(self, why: str) -> None:
        if not self._lost:
            self._lost = why
            for answer in self._waiting.values():
                if not answer.done():
                    answer.set_exception(GuestLost(why))
        await self._transport.end()


async def _read_frame(reader: asyncio.StreamReader) -> bytes:
    """The body of the next frame. Raises EOFError, OSError or ProtocolError."""
    header = await reader.readexactly(HEADER.size)
    return await reader.readexactly(frame_length(header))
