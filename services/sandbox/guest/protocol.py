"""What host and guest say to each other: one length-prefixed JSON frame for each message.

A frame is four bytes of length, most significant first, then UTF-8 JSON of that length. The host
sends `Request`s, the guest one `Ready` and then one `Reply` for each request, in any order. Both
ends check what they read: the host must survive a guest that a program has taken over.
"""

from __future__ import annotations

import json
import struct
from dataclasses import dataclass, fields
from enum import StrEnum
from typing import Any, TypeVar, get_type_hints

MAX_FRAME_BYTES = 16 * 1024 * 1024
HEADER = struct.Struct(">I")

ROOT_STATE = 0
MAX_CODE_BYTES = 128 * 1024
"""A longer step is refused: it must fit into one packet to the state that runs it."""

PATIENCE = 4
"""How many times its wall time a step may take where others keep it from the processor."""


class ProtocolError(Exception):
    """A frame that is too long, is not JSON, or is not the message that was expected."""


class Op(StrEnum):
    """What the host asks for."""

    RUN = "run"  # `code` in a copy of `parent`, leaving behind `state`
    FIND = "find"  # the first of `candidates` that is alive; the root state always is
    STOP = "stop"  # give up the request whose id is in `state`
    CLOSE = "close"  # forget the session and kill its processes


class Status(StrEnum):
    """How the guest could serve a request."""

    DONE = "done"
    MISSING = "missing"  # the parent state is not alive; run its steps again
    LOST = "lost"  # the parent state was alive and could not be forked from: its program broke it
    KILLED = "killed"  # the step was killed; the reply tells what it is if it always is, run again
    FAILED = "failed"  # the guest itself could not; says nothing about the program


@dataclass(frozen=True, slots=True)
class Settings:
    """What the guest is started with, as JSON in its only argument."""

    confine: bool
    """Make namespaces and a root of its own; a container has them already."""
    user_id: int
    """Become this user where the guest starts as root; 0 keeps the user."""
    wall_seconds: float
    cpu_seconds: float
    memory_bytes: int
    output_bytes: int
    processes: int
    session_states: int
    """States of one session kept alive; the least recently used one goes first."""
    guest_states: int
    """States of all sessions kept alive."""
    state_bytes: int
    """Memory that all states together may hold beyond the warm interpreter's."""
    plain_states: int
    """States of plain steps kept, which are no processes; 0 runs every step in a process."""


@dataclass(frozen=True, slots=True)
class Ready:
    """The guest is warm; what it is, and what it found enforced on itself."""

    version: str
    enforced: tuple[str, ...]
    missing: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Request:
    id: int
    op: Op
    session: int = 0
    state: int = 0
    parent: int = 0
    code: str = ""
    candidates: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Reply:
    """The answer to the request `id`. The fields after `detail` are those of an execution."""

    id: int
    status: Status
    found: int = ROOT_STATE
    detail: str = ""
    outcome: str = ""
    stdout: str = ""
    value: str = ""
    exception_type: str = ""
    exception_message: str = ""
    truncated: bool = False
    wall_seconds: float = 0.0
    cpu_seconds: float = 0.0


_Message = TypeVar("_Message", Settings, Ready, Request, Reply)


def encode(message: Settings | Ready | Request | Reply) -> bytes:
    """A message as a frame."""
    body = to_json(message).encode("ascii")
    return HEADER.pack(len(body)) + body


def to_json(message: Settings | Ready | Request | Reply) -> str:
    return json.dumps({field.name: getattr(message, field.name) for field in fields(message)})


def decode(body: bytes | str, kind: type[_Message]) -> _Message:
    """Read a frame's body.

    Raises:
        ProtocolError: it is not JSON, or a field is unknown, missing or of the wrong type.
    """
    try:
        data = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise ProtocolError(f"A frame is not JSON: {error}") from error
    if not isinstance(data, dict):
        raise ProtocolError("A frame is not an object.")
    hints = _hints(kind)
    try:
        values: dict[str, Any] = {
            name: _read(name, value, hints[name]) for name, value in data.items()
        }
        return kind(**values)
    except (TypeError, KeyError) as error:
        raise ProtocolError(f"A frame is not a {kind.__name__}: {error}") from error


def frame_length(header: bytes) -> int:
    """The length of the body that follows. Raises ProtocolError where it is too long."""
    (length,) = HEADER.unpack(header)
    if length > MAX_FRAME_BYTES:
        raise ProtocolError(f"A frame of {length} bytes is longer than {MAX_FRAME_BYTES}.")
    return int(length)


_known_hints: dict[type, dict[str, object]] = {}


def _hints(kind: type) -> dict[str, object]:
    if kind not in _known_hints:
        _known_hints[kind] = get_type_hints(kind)
    return _known_hints[kind]


def _read(name: str, value: object, kind: object) -> object:
    """A JSON value as the type of its field."""
    if kind is Op or kind is Status:
        if isinstance(value, str) and value in set(kind):
            return kind(value)
    elif kind == tuple[int, ...] or kind == tuple[str, ...]:
        item = int if kind == tuple[int, ...] else str
        if isinstance(value, list) and all(type(part) is item for part in value):
            return tuple(value)
    elif kind is float:
        if type(value) in (int, float):
            return float(value)  # type: ignore[arg-type]
    elif type(value) is kind:
        return value
    raise ProtocolError(f"The field {name!r} of a frame holds {str(value)[:80]!r}.")
