"""The Celery task of the rollouts: search what is free in a round."""

from __future__ import annotations

from db.queries import checkpoints
from services.rollouts.engine import search_worker
from services.rollouts.equipment import open_equipment
from services.work.owners import owner_name
from services.work.queues import Queue
from services.work.tasks import RoundWork, round_task


@round_task(Queue.SEARCH)
async def search_round(work: RoundWork) -> int:
    """Search the round's problems until none is free."""
    database, search = work.database, work.profile.search
    policy, ppm = work.row.policy_checkpoint_id, work.row.ppm_checkpoint_id
    async with open_equipment(
        work.settings,
        policy=checkpoints.by_id(database, policy).path if policy else None,
        ppm=checkpoints.by_id(database, ppm).path if ppm else None,
        sampling=search.sampling,
        ppm_scale=search.ppm_scale,
        actions=search.actions,
    ) as equipment:
        worker = search_worker(database, equipment, search, owner=owner_name())
        return await worker.run(work.row.id)
