"""Writes of many searches, grouped: while one transaction runs, what comes in waits for the next.

So the database has one writing transaction of a worker at a time, however many trees there are,
and a commit is shared by all trees that were ready for it.
"""

from __future__ import annotations

import asyncio
from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING

from db.bulk import commit_trees
from db.queries import searches

if TYPE_CHECKING:
    from db.records.searches import ClaimedSearch, SearchResult
    from db.session import Database

MOST_AT_ONCE = 64
"""Searches in one transaction."""


@dataclass(frozen=True, slots=True, eq=False)
class _Entry:
    search: ClaimedSearch
    result: SearchResult
    written: asyncio.Future[None]


class GroupWriter:
    """One writer for all searches of a worker, in the order in which they came."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._waiting: deque[_Entry] = deque()
        self._work: asyncio.Task[None] | None = None

    def write(self, search: ClaimedSearch, result: SearchResult) -> asyncio.Future[None]:
        """Take a write; it is done when the future is.

        The future raises LeaseLost where somebody else has claimed the search, and DatabaseError.
        """
        entry = _Entry(search, result, asyncio.get_running_loop().create_future())
        # Whoever asked may be gone by then; what went wrong is then nobody's business.
        entry.written.add_done_callback(lambda done: done.cancelled() or done.exception())
        self._waiting.append(entry)
        if self._work is None:
            self._work = asyncio.create_task(self._empty())
        return entry.written

    async def drain(self) -> None:
        """Wait until everything that was taken is written or has failed."""
        while self._work is not None:
            await asyncio.shield(self._work)

    async def _empty(self) -> None:
        try:
            while self._waiting:
                most = min(MOST_AT_ONCE, len(self._waiting))
                await self._write([self._waiting.popleft() for _ in range(most)])
        finally:
            self._work = None

    async def _write(self, entries: list[_Entry]) -> None:
        try:
            committed = await asyncio.to_thread(
                commit_trees, self._database, [(entry.search, entry.result) for entry in entries]
            )
        except Exception as error:
            if len(entries) > 1:
                # One of them may be to blame; the others must not suffer for it.
                for entry in entries:
                    await self._write([entry])
            else:
                _fail(entries[0], error)
            return
        for entry in entries:
            if entry.search.search_id in committed.lost:
                _fail(entry, searches.LEASES.lost(entry.search))
            elif not entry.written.done():
                entry.written.set_result(None)


def _fail(entry: _Entry, error: Exception) -> None:
    if not entry.written.done():
        entry.written.set_exception(error)
