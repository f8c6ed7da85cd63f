"""The consistency stage of a round: plan the candidates, ring for workers, wait for all of them.

Like the search stage it asks the database what is left and nothing else, so it may be stopped and
run again, by any process, at any time.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from db.queries import consistency
from services import reporting
from services.errors import EngineUnavailable
from services.rollouts.owners import is_dead
from services.rollouts.stage import POLL_SECONDS, RING_AGAIN_SECONDS, STALLED_SECONDS

if TYPE_CHECKING:
    from collections.abc import Callable

    from db.records.consistency import ConsistencyProgress
    from db.records.runs import RoundRow
    from db.session import Database
    from services.stages import RunContext


def has_open_problems(context: RunContext, this_round: RoundRow) -> bool:
    """Whether the round has anything to judge: it searches problems without a ground truth."""
    return consistency.has_open_problems(context.database, this_round.id)


def judge_round_stage(context: RunContext, this_round: RoundRow) -> None:
    """Judge the round's unlabelled trajectories through the workers."""
    from services.consistency.tasks import ring

    engines = context.engines
    with reporting.current().bar("Checking the consistency", None) as bar:
        counts = judge_stage(
            context.database,
            this_round.id,
            ring=lambda: ring(engines.broker_url(), this_round.id),
            keep_alive=engines.keep_alive,
            progress=lambda now: bar.update(
                now.done, total=now.total, note=f"{now.mutual} mutually consistent"
            ),
        )
    reporting.current().say(
        f"{counts.mutual} of {counts.total} trajectories without a ground truth are mutually "
        "consistent"
    )


def judge_stage(
    database: Database,
    round_id: int,
    *,
    ring: Callable[[], None],
    keep_alive: Callable[[], None],
    progress: Callable[[ConsistencyProgress], None],
) -> ConsistencyProgress:
    """Judge every candidate of a round once.

    `ring` sends a doorbell; `keep_alive` restarts dead engines; `progress` is told the counts.

    Raises:
        EngineUnavailable: candidates were given up, or no worker has taken work for a long time.
    """
    consistency.plan(database, round_id)
    consistency.LEASES.reopen_failed(database, round_id)
    rung = -RING_AGAIN_SECONDS
    moved, before = time.monotonic(), None
    while True:
        now = consistency.progress(database, round_id)
        progress(now)
        if now.is_closed:
            break
        keep_alive()
        for owner in consistency.LEASES.owners(database, round_id):
            if is_dead(owner):
                consistency.LEASES.release_owner(database, round_id, owner)
        if now != before or now.leased:
            moved, before = time.monotonic(), now
        if time.monotonic() - moved > STALLED_SECONDS:
            raise EngineUnavailable(
                f"Round {round_id}: {now.total - now.done} trajectories wait for a check and no "
                f"worker has taken one for {STALLED_SECONDS / 60:.0f} minutes. Look at the "
                "worker's log (`stepforge status` names it), then run the command again."
            )
        if now.free and time.monotonic() - rung > RING_AGAIN_SECONDS:
            ring()
            rung = time.monotonic()
        time.sleep(POLL_SECONDS)
    if now.failed:
        error = consistency.LEASES.last_error(database, round_id)
        raise EngineUnavailable(
            f"Round {round_id}: {now.failed} of {now.total} trajectories could not be checked "
            f"after repeated failures of an engine: {error} They stay unjudged. Mend the engine "
            "and run the command again; it goes on from here."
        )
    return now
