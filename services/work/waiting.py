"""Waiting for a round's work: notify the workers, free what dead ones hold, until all is closed.

It asks the database what is left and nothing else, so it may be stopped and run again, by any
process, at any time.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Generic, TypeVar

from db.queries.leases import Held
from db.records.leases import WorkCounts
from services.errors import EngineUnavailable
from services.work.owners import is_dead

if TYPE_CHECKING:
    from collections.abc import Callable

    from db.queries.leases import LeaseTable
    from db.session import Database

POLL_SECONDS = 0.5
NOTIFY_AGAIN_SECONDS = 10.0
"""A message may be lost; while work is free it is sent again this often."""
STALLED_SECONDS = 600.0
"""Without any work closed or held for so long, waiting ends."""

Counts = TypeVar("Counts", bound=WorkCounts)


@dataclass(frozen=True)
class Waiting(Generic[Held, Counts]):
    """How one kind of work is waited for."""

    leases: LeaseTable[Held]
    count: Callable[[Database, int], Counts]
    noun: str
    """Of the work, in the plural."""
    notify: Callable[[], None]
    """Tells the workers that there is work."""
    keep_alive: Callable[[], None]
    """Starts dead engines again."""
    progress: Callable[[Counts], None]
    """Is told the counts."""
    plan: Callable[[Counts], int] = lambda _: 0
    """Looks at the counts, adds work and says how much."""

    def wait(self, database: Database, round_id: int) -> Counts:
        """Wait until all of a round's work is closed and `plan` adds no more.

        Raises:
            EngineUnavailable: work was given up, or no worker has taken any for a long time.
        """
        self.leases.reopen_failed(database, round_id)
        notified = -NOTIFY_AGAIN_SECONDS
        moved, before = time.monotonic(), None
        while True:
            freed = release_dead(database, self.leases, round_id)
            now = self.count(database, round_id)
            planned = self.plan(now)
            if planned:
                now = self.count(database, round_id)
            self.progress(now)
            if not planned and now.is_closed:
                break
            self.keep_alive()
            if now != before or now.leased:
                moved, before = time.monotonic(), now
            if time.monotonic() - moved > STALLED_SECONDS:
                raise self._stalled(round_id, now)
            since = time.monotonic() - notified
            if now.free and (freed or planned or since > NOTIFY_AGAIN_SECONDS):
                self.notify()
                notified = time.monotonic()
            time.sleep(POLL_SECONDS)
        if now.failed:
            raise self._given_up(database, round_id, now)
        return now

    def _stalled(self, round_id: int, now: Counts) -> EngineUnavailable:
        return EngineUnavailable(
            f"Round {round_id}: {now.total - now.done} {self.noun} are open and no worker has "
            f"taken one for {STALLED_SECONDS / 60:.0f} minutes. Look at the worker's log "
            "(`stepforge status` names it), then run the command again."
        )

    def _given_up(self, database: Database, round_id: int, now: Counts) -> EngineUnavailable:
        error = self.leases.last_error(database, round_id)
        return EngineUnavailable(
            f"Round {round_id}: {now.failed} of {now.total} {self.noun} were given up after "
            f"repeated failures of an engine: {error} Nothing was labelled from them. Mend the "
            "engine and run the command again; it goes on from here."
        )


def release_dead(database: Database, leases: LeaseTable[Held], round_id: int) -> bool:
    """Free the work of workers on this machine that are dead, without waiting for the lease.

    Returns whether there were any. The token keeps this safe: whoever claims freed work fences the
    old owner out.
    """
    dead = [owner for owner in leases.owners(database, round_id) if is_dead(owner)]
    for owner in dead:
        leases.release_owner(database, round_id, owner)
    return bool(dead)
