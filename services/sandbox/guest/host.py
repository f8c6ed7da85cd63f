"""The warden's end of the stream to the host: never waits, neither to read nor to write."""

from __future__ import annotations

import os

from .protocol import HEADER, Ready, Reply, Request, decode, encode, frame_length

_CHUNK = 1 << 16


class HostLink:
    """Requests in, replies out. `connected` turns false when the host hangs up."""

    def __init__(self, inbound: int, outbound: int) -> None:
        os.set_blocking(inbound, False)
        os.set_blocking(outbound, False)
        self.inbound = inbound
        self.outbound = outbound
        self.connected = True
        self._received = bytearray()
        self._unsent = bytearray()

    def receive(self) -> list[Request]:
        """The requests that have arrived whole."""
        try:
            chunk = os.read(self.inbound, _CHUNK)
        except BlockingIOError:
            return []
        except OSError:
            chunk = b""
        if not chunk:
            self.connected = False
        self._received += chunk
        requests = []
        while len(self._received) >= HEADER.size:
            length = frame_length(bytes(self._received[: HEADER.size]))
            if len(self._received) < HEADER.size + length:
                break
            body = bytes(self._received[HEADER.size : HEADER.size + length])
            del self._received[: HEADER.size + length]
            requests.append(decode(body, Request))
        return requests

    def send(self, message: Ready | Reply) -> None:
        self._unsent += encode(message)
        self.flush()

    @property
    def has_unsent(self) -> bool:
        return bool(self._unsent)

    def flush(self) -> None:
        """Write as much as the host takes now."""
        while self._unsent:
            try:
                written = os.write(self.outbound, self._unsent)
            except BlockingIOError:
                return
            except OSError:
                self.connected = False
                return
            del self._unsent[:written]
