"""The Celery task of the consistency checks: judge what is free in a round."""

from __future__ import annotations

from typing import TYPE_CHECKING

from db.queries import checkpoints
from db.vocabulary import CheckpointKind
from services.consistency.judge import Judge
from services.consistency.worker import check_worker
from services.profiles import Discriminator
from services.rollouts.equipment import open_equipment
from services.work.owners import owner_name
from services.work.queues import Queue
from services.work.tasks import RoundWork, round_task

if TYPE_CHECKING:
    from db.records.runs import RoundRow
    from db.session import Database


@round_task(Queue.CHECK)
async def judge_round(work: RoundWork) -> int:
    """Judge the round's candidates until none is free."""
    how, search, settings = work.profile.consistency, work.profile.search, work.settings
    model = discriminator_of(work.database, work.row, how.discriminator)
    if settings.discriminator_url:
        model = settings.discriminator_model
        settings = settings.model_copy(update={"policy_url": settings.discriminator_url})
    sampling = search.sampling.model_copy(update={"temperature": how.temperature})
    async with open_equipment(
        settings, policy=model, ppm=None, sampling=sampling, actions=search.actions
    ) as equipment:
        judge = Judge(
            equipment,
            discriminator=model or settings.bootstrap_model,
            checks=how.checks,
            max_depth=search.max_depth,
        )
        worker = check_worker(
            work.database, judge, owner=owner_name(), in_flight=how.checks_in_flight
        )
        return await worker.run(work.row.id)


def discriminator_of(database: Database, this_round: RoundRow, choice: Discriminator) -> str | None:
    """The folder of the checkpoint that checks a round; None for the bootstrap endpoint's model."""
    if this_round.policy_checkpoint_id is None:
        return None
    searched = checkpoints.by_id(database, this_round.policy_checkpoint_id)
    if choice is Discriminator.PREVIOUS:
        previous = checkpoints.latest(
            database,
            run_id=this_round.run_id,
            before_round=searched.round_number,
            kind=CheckpointKind.POLICY,
        )
        return (previous or searched).path
    return searched.path
