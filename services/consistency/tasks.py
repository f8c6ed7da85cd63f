"""The Celery task of the consistency checks: answer a doorbell by judging what is free."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from celery.utils.log import get_task_logger

from db.queries import checkpoints
from db.vocabulary import CheckpointKind
from services.config import Settings
from services.consistency.judge import Judge
from services.consistency.worker import ConsistencyWorker
from services.doorbell import called_round, send
from services.profiles import Discriminator
from services.rollouts.equipment import open_equipment
from services.rollouts.owners import owner_name
from services.worker import app

if TYPE_CHECKING:
    from db.records.runs import RoundRow
    from db.session import Database

logger = get_task_logger(__name__)


@app.task(name="consistency.judge_round")  # type: ignore[untyped-decorator]
def judge_round(round_id: int) -> None:
    """Judge the round's candidates until none is free. Harmless when there is nothing to do."""
    claimed = asyncio.run(_judge_round(round_id, Settings()))
    logger.info("round %d: %d trajectories claimed", round_id, claimed)


def ring(broker_url: str, round_id: int) -> None:
    """Send the doorbell of a round.

    Raises:
        EngineUnavailable: the broker cannot be reached.
    """
    send(judge_round, broker_url, round_id)


async def _judge_round(round_id: int, settings: Settings) -> int:
    with called_round(settings.database_url, round_id) as called:
        if called is None:
            return 0
        how, search = called.profile.consistency, called.profile.search
        model = discriminator_of(called.database, called.row, how.discriminator)
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
            worker = ConsistencyWorker(
                called.database, judge, owner=owner_name(), in_flight=how.checks_in_flight
            )
            return await worker.run(round_id)


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
