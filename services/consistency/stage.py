"""The consistency stage of a round: plan the candidates and wait for all of them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from db.queries import consistency
from services import reporting
from services.work.waiting import Waiting

if TYPE_CHECKING:
    from db.records.runs import RoundRow
    from services.stages import RunContext


def has_open_problems(context: RunContext, this_round: RoundRow) -> bool:
    """Whether the round has anything to judge: it searches problems without a ground truth."""
    return consistency.has_open_problems(context.database, this_round.id)


def judge_round_stage(context: RunContext, this_round: RoundRow) -> None:
    """Judge the round's unlabelled trajectories through the workers."""
    from services.consistency.tasks import judge_round

    engines = context.engines
    consistency.plan(context.database, this_round.id)
    with reporting.current().bar("Checking the consistency", None) as bar:
        counts = Waiting(
            leases=consistency.LEASES,
            count=consistency.progress,
            noun="consistency checks",
            notify=lambda: judge_round.notify(engines.broker_url(), this_round.id),
            keep_alive=engines.keep_alive,
            progress=lambda now: bar.update(
                now.done, total=now.total, note=f"{now.mutual} mutually consistent"
            ),
        ).wait(context.database, this_round.id)
    reporting.current().say(
        f"{counts.mutual} of {counts.total} trajectories without a ground truth are mutually "
        "consistent"
    )
