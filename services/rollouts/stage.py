"""The search stage of a round: plan searches, ring for workers, wait until all are closed.

The stage asks the database what is left and nothing else, so it may be stopped and run again, by
any process, at any time.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from db.queries import searches
from services.errors import EngineUnavailable
from services.rollouts.owners import is_dead

if TYPE_CHECKING:
    from collections.abc import Callable

    from db.records.searches import SearchProgress
    from db.session import Database

POLL_SECONDS = 0.5
RING_AGAIN_SECONDS = 10.0
"""A doorbell may be lost; while searches are free it is rung again this often."""
STALLED_SECONDS = 600.0
"""Without any search closed or worker active for so long, the stage gives up."""


def search_stage(
    database: Database,
    round_id: int,
    *,
    plan: Callable[[SearchProgress], int],
    ring: Callable[[], None],
    keep_alive: Callable[[], None],
    progress: Callable[[SearchProgress], None],
) -> SearchProgress:
    """Do the searches of a round until none is left and `plan` adds no more.

    `plan` looks at the counts, adds searches and says how many; `ring` sends a doorbell;
    `keep_alive` restarts dead engines; `progress` is told the counts.

    Raises:
        EngineUnavailable: searches were given up, or no worker has taken work for a long time.
    """
    searches.LEASES.reopen_failed(database, round_id)
    rung = -RING_AGAIN_SECONDS
    moved, before = time.monotonic(), None
    while True:
        keep_alive()
        freed = release_dead(database, round_id)
        now = searches.progress(database, round_id)
        planned = plan(now)
        if planned:
            now = searches.progress(database, round_id)
        progress(now)
        if not planned and now.is_closed:
            break
        if now != before or now.leased:
            moved, before = time.monotonic(), now
        if time.monotonic() - moved > STALLED_SECONDS:
            raise EngineUnavailable(
                f"Round {round_id}: {now.total - now.done} searches are open and no worker has "
                f"taken one for {STALLED_SECONDS / 60:.0f} minutes. Look at the worker's log "
                "(`stepforge status` names it), then run the command again."
            )
        if now.free and (freed or planned or time.monotonic() - rung > RING_AGAIN_SECONDS):
            ring()
            rung = time.monotonic()
        time.sleep(POLL_SECONDS)
    if now.failed:
        raise EngineUnavailable(
            f"Round {round_id}: {now.failed} of {now.total} searches were given up after repeated "
            f"failures of an engine: {searches.LEASES.last_error(database, round_id)} Nothing was "
            "labelled from them. Mend the engine and run the command again; it goes on from here."
        )
    return now


def release_dead(database: Database, round_id: int) -> bool:
    """Free the searches of workers on this machine that are dead, without waiting for the lease.

    Returns whether there were any.

    The token keeps this safe: whoever claims a freed search fences the old owner out.
    """
    dead = [owner for owner in searches.LEASES.owners(database, round_id) if is_dead(owner)]
    for owner in dead:
        searches.LEASES.release_owner(database, round_id, owner)
    return bool(dead)
