"""One event loop judges many trajectories: claim, check, record, until none is free.

It works on what it holds a lease for and nothing else. A candidate whose engine failed is given
back unjudged, one whose lease was lost is dropped.
"""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING

from db.errors import LeaseLost
from db.queries import consistency, curation
from services.errors import InfrastructureError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from db.records.consistency import ClaimedCandidate
    from db.records.trees import PathStep
    from db.session import Database
    from services.consistency.judge import Judge

logger = logging.getLogger(__name__)

LEASE_SECONDS = 60.0
"""How long a dead worker's candidates stay unclaimed."""
RENEWALS_A_LEASE = 4


class ConsistencyWorker:
    """Judges a round's candidates until none is left to claim."""

    def __init__(
        self,
        database: Database,
        judge: Judge,
        *,
        owner: str,
        in_flight: int,
        lease_seconds: float = LEASE_SECONDS,
    ) -> None:
        """`owner` names this worker in the leases; it must be unique to the process."""
        self._database = database
        self._judge = judge
        self._owner = owner
        self._in_flight = in_flight
        self._lease_seconds = lease_seconds
        self._running: dict[asyncio.Task[None], ClaimedCandidate] = {}

    async def run(self, round_id: int) -> int:
        """Claim and judge until nothing is free. Returns how many candidates were claimed.

        When cancelled it gives its candidates back, so that another worker may take them at once.
        """
        claimed = 0
        heartbeat = asyncio.create_task(self._renew_leases())
        filling = asyncio.create_task(self._fill(round_id))
        try:
            while True:
                # Not to be cut off between a claim and its note in `_running`.
                claimed += await asyncio.shield(filling)
                if not self._running:
                    return claimed
                await asyncio.wait(self._running, return_when=asyncio.FIRST_COMPLETED)
                self._reap()
                filling = asyncio.create_task(self._fill(round_id))
        finally:
            heartbeat.cancel()
            await asyncio.gather(filling, return_exceptions=True)
            await self._give_back()

    async def _fill(self, round_id: int) -> int:
        """Claim as many candidates as there is room for, read their steps, and start them."""
        held = await asyncio.to_thread(
            consistency.LEASES.claim,
            self._database,
            round_id,
            owner=self._owner,
            limit=self._in_flight - len(self._running),
            lease_seconds=self._lease_seconds,
        )
        paths = await asyncio.to_thread(
            curation.paths, self._database, round_id, [candidate.key for candidate in held]
        )
        for candidate in held:
            task = asyncio.create_task(self._judge_one(candidate, paths[candidate.key]))
            self._running[task] = candidate
        return len(held)

    def _reap(self) -> None:
        """Forget the finished candidates; a defect of our own surfaces here."""
        for task in [task for task in self._running if task.done()]:
            del self._running[task]
            if not task.cancelled():
                task.result()

    async def _judge_one(self, candidate: ClaimedCandidate, steps: Sequence[PathStep]) -> None:
        try:
            checks = await self._judge.judge(candidate, steps)
            await asyncio.to_thread(consistency.record, self._database, candidate, checks)
        except LeaseLost as error:
            logger.warning("%s", error)
        except InfrastructureError as error:
            logger.warning("trajectory %s is given back unjudged: %s", candidate.key, error)
            await asyncio.to_thread(consistency.LEASES.fail, self._database, candidate, str(error))
        except Exception as error:
            # A defect of our own must not take the others with it, nor be tried for ever.
            logger.exception("trajectory %s met a defect", candidate.key)
            await asyncio.to_thread(consistency.LEASES.fail, self._database, candidate, repr(error))

    async def _renew_leases(self) -> None:
        while True:
            await asyncio.sleep(self._lease_seconds / RENEWALS_A_LEASE)
            held = list(self._running.values())
            lost = await asyncio.to_thread(
                consistency.LEASES.renew, self._database, held, lease_seconds=self._lease_seconds
            )
            for task, candidate in self._running.items():
                if candidate.key in lost and not task.done():
                    task.cancel()

    async def _give_back(self) -> None:
        """Stop what still runs and release its leases."""
        unfinished = {task: held for task, held in self._running.items() if not task.done()}
        self._running.clear()
        for task in unfinished:
            task.cancel()
        await asyncio.gather(*unfinished, return_exceptions=True)
        held = list(unfinished.values())
        await asyncio.to_thread(consistency.LEASES.release, self._database, held)
