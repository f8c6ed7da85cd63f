"""A limit on what one query takes of the server's memory, where the server runs on this machine.

Postgres bounds what sorts and hashes take (work_mem), but not what an aggregate such as array_agg
collects, and has no limit for a session as a whole. The query's own processes are watched instead,
and the query is cancelled when their private memory passes the limit. Processes of a server
elsewhere, or in a container, cannot be seen from here and are not watched.
"""

from __future__ import annotations

import threading
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

import psutil

if TYPE_CHECKING:
    from collections.abc import Iterator

    from psycopg import Connection

_SECONDS_BETWEEN_LOOKS = 0.05


@dataclass(slots=True)
class Watched:
    """What the watch has seen; `exceeded` is set before the query is cancelled."""

    exceeded: bool = False


@contextmanager
def limited(connection: Connection[tuple[object, ...]], megabytes: int) -> Iterator[Watched]:
    """Cancel what `connection` runs in this block once it takes more than so much memory."""
    seen = Watched()
    over = threading.Event()
    watch = threading.Thread(
        target=_watch, args=(connection, megabytes, seen, over), name="query memory", daemon=True
    )
    watch.start()
    try:
        yield seen
    finally:
        over.set()
        watch.join()


def _watch(
    connection: Connection[tuple[object, ...]],
    megabytes: int,
    seen: Watched,
    over: threading.Event,
) -> None:
    pid = connection.info.backend_pid
    while not over.wait(_SECONDS_BETWEEN_LOOKS):
        try:
            taken = sum(_private(process) for process in _processes(pid, connection.info.user))
        except psutil.Error:
            continue  # one of them has just ended
        if taken > megabytes * 2**20:
            seen.exceeded = True
            connection.cancel_safe(timeout=5)
            return


def _processes(pid: int, user: str) -> list[psutil.Process]:
    """The session's process and its parallel workers; none where `pid` is not that session here.

    A process of Postgres says in its title whose session it serves, so that a process that only has
    the number of one on another machine is not taken for it.
    """
    session = psutil.Process(pid)
    if not _title(session).startswith(f"postgres: {user} "):
        return []
    server = session.parent()
    workers = server.children() if server else []
    mark = f"postgres: parallel worker for PID {pid}"
    return [session, *(process for process in workers if _title(process).startswith(mark))]


def _title(process: psutil.Process) -> str:
    try:
        return " ".join(process.cmdline())
    except psutil.Error:
        return ""


def _private(process: psutil.Process) -> int:
    """Bytes of its own: without the buffers that all of the server's processes share."""
    memory = process.memory_info()
    return int(memory.rss - memory.shared)
