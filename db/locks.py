"""Advisory locks: who holds one does its work alone, and a reader never holds one up.

Postgres lets every role take every advisory lock. `db.reader` takes that right away where the
database's own user is a superuser. Where it is not, a reader's session that holds one, for which
reading has no use, is ended by whoever needs a lock.
"""

from __future__ import annotations

from contextlib import contextmanager
from enum import IntEnum
from typing import TYPE_CHECKING

from sqlalchemy import text

from db.reader import ROLE

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sqlalchemy import Connection


class Work(IntEnum):
    """What is done alone: the first key of a lock. The second is a round's id, or 0."""

    MIGRATING = 0x57E9F0  # the schema and the views are changed
    MINING = 0x57E9F1  # a round's pairs and trajectories are mined
    MOVING = 0x57E9F2  # a round's nodes are detached, archived or attached


_WAIT = text("SELECT pg_advisory_lock(:work, CAST(:number AS integer))")
_WAIT_IN_TRANSACTION = text("SELECT pg_advisory_xact_lock(:work, CAST(:number AS integer))")
_TRY = text("SELECT pg_try_advisory_lock(:work, CAST(:number AS integer))")
_RELEASE = text("SELECT pg_advisory_unlock(:work, CAST(:number AS integer))")

# May fail only where the owner may not end the reader's sessions, which `reader.admit` sees to.
_SEND_READERS_AWAY = text(
    """
    SELECT pg_terminate_backend(a.pid, 5000)
    FROM pg_stat_activity AS a
    WHERE a.usename = :reader AND a.datname = current_database() AND EXISTS (
        SELECT FROM pg_locks AS l
        WHERE l.pid = a.pid AND l.locktype = 'advisory' AND l.granted
    )
    """
)


@contextmanager
def held(connection: Connection, work: Work) -> Iterator[None]:
    """Hold a lock over several transactions of this connection; waits for it."""
    keys = _keys(work, 0)
    _send_readers_away(connection)
    connection.execute(_WAIT, keys)
    connection.commit()
    try:
        yield
    finally:
        connection.rollback()
        connection.execute(_RELEASE, keys)
        connection.commit()


@contextmanager
def held_if_free(connection: Connection, work: Work, number: int) -> Iterator[bool]:
    """Hold a lock while the block runs, unless another holds it: then the block is given False."""
    keys = _keys(work, number)
    _send_readers_away(connection)
    got: bool = connection.execute(_TRY, keys).scalar_one()
    try:
        yield got
    finally:
        if got:
            connection.execute(_RELEASE, keys)


def hold_until_commit(connection: Connection, work: Work, number: int) -> None:
    """Wait for a lock and hold it until this transaction ends."""
    _send_readers_away(connection)
    connection.execute(_WAIT_IN_TRANSACTION, _keys(work, number))


def _send_readers_away(connection: Connection) -> None:
    connection.execute(_SEND_READERS_AWAY, {"reader": ROLE})


def _keys(work: Work, number: int) -> dict[str, int]:
    return {"work": int(work), "number": number}
