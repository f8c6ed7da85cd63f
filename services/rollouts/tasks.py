"""The Celery task of the rollouts: answer a doorbell by searching what is free in a round."""

from __future__ import annotations

import asyncio

from celery.utils.log import get_task_logger

from db.queries import checkpoints
from services.config import Settings
from services.doorbell import called_round, send
from services.rollouts.engine import RolloutEngine
from services.rollouts.equipment import open_equipment
from services.rollouts.owners import owner_name
from services.worker import app

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


async def _search_round(round_id: int, settings: Settings) -> int:
    with called_round(settings.database_url, round_id) as called:
        if called is None:
            return 0
        database, search = called.database, called.profile.search
        policy, ppm = called.row.policy_checkpoint_id, called.row.ppm_checkpoint_id
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
