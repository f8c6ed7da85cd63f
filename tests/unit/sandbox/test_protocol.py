"""Frames that make sense are read as they were meant, and others are refused."""

from __future__ import annotations

import json

import pytest

from services.sandbox.guest.protocol import (
    HEADER,
    MAX_FRAME_BYTES,
    Op,
    ProtocolError,
    Ready,
    Reply,
    Request,
    Status,
    decode,
    encode,
    frame_length,
)

MESSAGES = [
    Request(1, Op.RUN, session=2, state=3, parent=4, code="print('é')\ud800\0"),
    Request(2, Op.FIND, session=2, candidates=(3, 2, 1)),
    Reply(1, Status.DONE, outcome="ok", stdout="\x00\n", truncated=True, wall_seconds=0.5),
    Ready("python 3", ("no network",), ()),
]


@pytest.mark.parametrize("message", MESSAGES)
def test_a_message_is_read_as_it_was_sent(message: Request | Reply | Ready) -> None:
    frame = encode(message)
    body = frame[HEADER.size :]
    assert frame_length(frame[: HEADER.size]) == len(body)
    assert decode(body, type(message)) == message


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"\xff\xfe",
        b"[]",
        b"[" * 100_000,
        b"{}",
        b'{"id": 1}',
        b'{"id": "1", "status": "done"}',
        b'{"id": true, "status": "done"}',
        b'{"id": 1, "status": "perfect"}',
        b'{"id": 1, "status": "done", "unknown": 1}',
        b'{"id": 1, "status": "done", "stdout": ["x"]}',
        json.dumps({"id": 1, "status": ["done"]}).encode(),
    ],
)
def test_what_is_not_a_reply_is_refused(body: bytes) -> None:
    with pytest.raises(ProtocolError):
        decode(body, Reply)


def test_a_frame_longer_than_any_message_is_refused() -> None:
    with pytest.raises(ProtocolError, match="longer"):
        frame_length(HEADER.pack(MAX_FRAME_BYTES + 1))
