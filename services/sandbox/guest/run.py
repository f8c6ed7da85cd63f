"""One step in flight: its channel, its output, its deadlines, and how its end is told.

A step is first a fork that has not said hello, then a process with a pid that runs code, and then
over, in one of the ways that `Report` knows.
"""

from __future__ import annotations

import os
import secrets
import socket
import struct
import time
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from . import step
from .life import FORK, MAX_PACKET_BYTES, TOKEN_BYTES, order
from .protocol import Reply, Status
from .shortening import Printed, shorten

if TYPE_CHECKING:
    from .protocol import Request
    from .shelf import State

FIRST_LOOK_SECONDS = 0.1
_LOOK_SECONDS = 0.5
_FORK_SECONDS = 1.0
_ROOT_FORK_SECONDS = 5.0
"""How long a state may take to fork. No program has touched the root, which only its machine slows.
"""
_STATUS_SECONDS = 0.1
"""How long a closed channel may wait for the news that its process has ended."""
_CREDENTIALS = struct.Struct("3i")
_OUTPUT_CHUNK = 1 << 16


@dataclass(slots=True, eq=False)
class Run:
    """A step in flight. Its process is known once it has said hello."""

    request: Request
    parent: State
    channel: socket.socket
    output: int
    deadline: float
    """On the monotonic clock, as all times here."""
    printed: Printed
    before: tuple[str, ...] = ()
    """Code of the plain steps between the parent and this step."""
    token: bytes = field(default_factory=lambda: secrets.token_bytes(TOKEN_BYTES))
    pid: int = 0
    started: float = 0.0
    next_look: float = 0.0
    """When its processor time and memory are to be looked at."""
    hung_up: bool = False
    starved: float = -1.0
    """What its parent had waited for a processor when it was first found late to fork."""

    @classmethod
    def begin(
        cls, request: Request, parent: State, before: tuple[str, ...], *, output_bytes: int
    ) -> Run:
        """Ask a state to fork, and hand the fork its channel and the end of a pipe to print to.

        Where the state does not read any more, the run has no one to say hello and meets its
        deadline. Raises OSError where the guest has no descriptors left.
        """
        near, far = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        near.setsockopt(socket.SOL_SOCKET, socket.SO_PASSCRED, 1)
        near.setblocking(False)
        try:
            output, printing = os.pipe()
        except OSError:
            near.close()
            far.close()
            raise
        os.set_blocking(output, False)
        with suppress(OSError):
            socket.send_fds(parent.channel, [FORK], [far.fileno(), printing])
        far.close()
        os.close(printing)
        parent.forks_under_way += 1
        deadline = time.monotonic() + (_LOOK_SECONDS if parent.bred else _ROOT_FORK_SECONDS)
        return cls(request, parent, near, output, deadline, Printed(output_bytes), before)

    def set_going(self, *, wall_seconds: float, cpu_seconds: float) -> None:
        """Send the code to the process that said hello. Raises OSError where it is gone."""
        self.channel.send(order(self.token, self.before, self.request.code))
        self.started = time.monotonic()
        self.deadline = self.started + wall_seconds
        self.next_look = self.started + min(FIRST_LOOK_SECONDS, cpu_seconds / 2)

    def wait_for_fork(self, starved_seconds: float) -> bool:
        """Whether a fork that is late may still come, because the state is kept waiting itself.

        `starved_seconds` is what the state has waited for a processor in all its life.
        """
        if not self.parent.bred:
            return False
        first, before = self.starved < 0, self.starved
        self.starved = starved_seconds
        self.deadline = time.monotonic() + _FORK_SECONDS - _LOOK_SECONDS
        return first or starved_seconds - before > (_FORK_SECONDS - _LOOK_SECONDS) / 2

    def hang_up(self) -> None:
        """Note that the channel is closed: the process has ended, or only its channel has."""
        self.hung_up = True
        self.deadline = min(self.deadline, time.monotonic() + _STATUS_SECONDS)

    def read_report(self, packet: bytes) -> step.Report | None:
        """The report in a packet, or None where the packet is not this step's report."""
        if not secrets.compare_digest(packet[:TOKEN_BYTES], self.token):
            return None
        return step.unpack(packet[TOKEN_BYTES:])

    def reply(self, report: step.Report, cpu_seconds: float, output_bytes: int) -> Reply:
        """What the host is told of the step's end."""
        return told(
            self.request,
            report,
            self.printed,
            wall_seconds=time.monotonic() - self.started,
            cpu_seconds=cpu_seconds,
            output_bytes=output_bytes,
        )

    def read_output(self) -> bool:
        """Read what has been printed, so that a program never waits for its reader.

        Says whether more may come.
        """
        try:
            printed = os.read(self.output, _OUTPUT_CHUNK)
        except BlockingIOError:
            return True
        self.printed.add(printed)
        return bool(printed)


def told(
    request: Request,
    report: step.Report,
    printed: Printed,
    *,
    wall_seconds: float,
    cpu_seconds: float,
    output_bytes: int,
) -> Reply:
    """The answer to a request whose step has ended."""
    value = shorten(report.value, output_bytes)
    return Reply(
        id=request.id,
        status=Status.DONE,
        outcome=report.outcome,
        stdout=printed.text(),
        value=value,
        exception_type=report.exception_type,
        exception_message=report.exception_message,
        truncated=printed.is_cut or value != report.value,
        wall_seconds=wall_seconds,
        cpu_seconds=cpu_seconds,
    )


def receive(channel: socket.socket) -> tuple[bytes, int]:
    """A packet and the pid of its sender, by the kernel's word; an empty packet at the end.

    The pid is 0 where the kernel names none. Raises OSError where nothing can be read.
    """
    packet, extra, _, _ = channel.recvmsg(MAX_PACKET_BYTES, socket.CMSG_SPACE(_CREDENTIALS.size))
    for level, kind, data in extra:
        whole = len(data) == _CREDENTIALS.size
        if level == socket.SOL_SOCKET and kind == socket.SCM_CREDENTIALS and whole:
            return packet, int(_CREDENTIALS.unpack(data)[0])
    return packet, 0
