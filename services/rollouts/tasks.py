"""The Celery task of the rollouts: answer a doorbell by searching what is free in a round."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from celery.utils.log import get_task_logger
from kombu.exceptions import OperationalError
from kombu.utils.url import maybe_sanitize_url

from db.queries import checkpoints, runs
from db.session import Database
from services.config import Settings
from services.errors import EngineUnavailable
from services.profiles import Profile
from services.rollouts.engine import RolloutEngine
from services.rollouts.equipment import open_equipment
from services.rollouts.owners import owner_name
from services.worker import app

if TYPE_CHECKING:
    from celery import Task

logger = get_task_logger(__name__)


@app.task(name="rollouts.search_round")  # type: ignore[untyped-decorator]
def search_round(round_id: int) -> None:
    """Search the round's problems until none is free. Harmless when there is nothing to do."""
    claimed = asyncio.run(_search_round(round_id, Settings()))
    logger.info("round %d: %d searches claimed", round_id, claimed)


def ring(broker_url: str, round_id: int) -> None:
    """Send the doorbell of a round.

    Raises:
        EngineUnavailable: the broker cannot be reached.
    """
    send(search_round, broker_url, round_id)


def send(task: Task, broker_url: str, round_id: int) -> None:
    """Send a Celery task that works on a round.

    Raises:
        EngineUnavailable: the broker cannot be reached.
    """
    try:
        with app.connection_for_write(url=broker_url) as connection:
            task.apply_async((round_id,), connection=connection)
    except OperationalError as error:
        raise EngineUnavailable(
            f"The broker {maybe_sanitize_url(broker_url)} cannot be reached: {error}. Start it, or "
            "correct STEPFORGE_BROKER_URL, and run the command again; it goes on from here."
        ) from error


async def _search_round(round_id: int, settings: Settings) -> int:
    database = Database(settings.database_url)
    try:
        this_round = runs.round_by_id(database, round_id)
        if this_round is None:
            logger.warning("round %d is not in this database", round_id)
            return 0
        profile = Profile.model_validate(runs.profile_of_round(database, round_id))
        search = profile.rounds[this_round.number - 1].search
        policy, ppm = this_round.policy_checkpoint_id, this_round.ppm_checkpoint_id
        async with open_equipment(
            settings,
            policy=checkpoints.by_id(database, policy).path if policy else None,
            ppm=checkpoints.by_id(database, ppm).path if ppm else None,
            sampling=search.sampling,
            ppm_scale=search.ppm_scale,
            actions=search.actions,
        ) as equipment:
            engine = RolloutEngine(database, equipment, search, owner=owner_name())
            return await engine.run(round_id)
    finally:
        database.close()
