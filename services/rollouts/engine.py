"""One event loop, many trees: generation, execution, grading and storage overlap across them.

The engine works on what it holds a lease for and nothing else. It renews its leases while it
works; a search whose lease was lost is dropped, one whose engine failed is given back without a
label, and a finished one is committed under its token.
"""

from __future__ import annotations

import asyncio
import logging
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from db.errors import LeaseLost
from db.queries import searches
from services.errors import InfrastructureError
from services.rollouts.results import result_of
from services.search.grow import grow
from services.search.protocols import Assignment, Collaborators
from services.search.tree import Tree

if TYPE_CHECKING:
    from db.records import ClaimedSearch
    from db.session import Database
    from services.config import SearchProfile
    from services.sandbox.base import SandboxProvider
    from services.search.protocols import Grader, Policy, ValueModel

logger = logging.getLogger(__name__)

LEASE_SECONDS = 30.0
"""How long a dead worker's searches stay unclaimed."""
RENEWALS_A_LEASE = 4


@dataclass(frozen=True, slots=True)
class Equipment:
    """The engines that a worker searches with."""

    policy: Policy
    value: ValueModel | None
    sandbox: SandboxProvider
    grader: Grader


class RolloutEngine:
    """Searches a round's problems until none is left to claim."""

    def __init__(
        self,
        database: Database,
        equipment: Equipment,
        profile: SearchProfile,
        *,
        owner: str,
        lease_seconds: float = LEASE_SECONDS,
    ) -> None:
        """`owner` names this worker in the leases; it must be unique to the process."""
        self._database = database
        self._equipment = equipment
        self._profile = profile
        self._owner = owner
        self._lease_seconds = lease_seconds
        self._running: dict[asyncio.Task[None], ClaimedSearch] = {}

    async def run(self, round_id: int) -> int:
        """Claim and search until nothing is free. Returns how many searches were claimed.

        When cancelled it gives its searches back, so that another worker may take them at once.
        """
        claimed = 0
        heartbeat = asyncio.create_task(self._renew_leases())
        try:
            while True:
                claimed += await self._fill(round_id)
                if not self._running:
                    return claimed
                await asyncio.wait(self._running, return_when=asyncio.FIRST_COMPLETED)
                self._reap()
        finally:
            heartbeat.cancel()
            await self._give_back()

    async def _fill(self, round_id: int) -> int:
        """Claim as many searches as there is room for, and start them."""
        room = self._profile.trees_in_flight - len(self._running)
        held = await asyncio.to_thread(
            searches.claim,
            self._database,
            round_id,
            owner=self._owner,
            limit=room,
            lease_seconds=self._lease_seconds,
        )
        for search in held:
            self._running[asyncio.create_task(self._search(search))] = search
        return len(held)

    def _reap(self) -> None:
        """Forget the finished searches; a defect of our own surfaces here."""
        for task in [task for task in self._running if task.done()]:
            del self._running[task]
            if not task.cancelled():
                task.result()

    async def _search(self, search: ClaimedSearch) -> None:
        """Grow one tree and commit it."""
        try:
            started = time.monotonic()
            tree = await self._grow(search)
            result = result_of(
                tree,
                seconds=time.monotonic() - started,
                sandbox=_describe(self._equipment.sandbox),
            )
            await asyncio.to_thread(searches.commit, self._database, search, result)
        except LeaseLost as error:
            logger.warning("%s", error)
        except InfrastructureError as error:
            logger.warning("search %d is given back: %s", search.search_id, error)
            await asyncio.to_thread(searches.fail, self._database, search, str(error))
        except Exception as error:
            # A defect of our own must not take the other trees with it, nor be tried for ever.
            logger.exception("search %d met a defect", search.search_id)
            await asyncio.to_thread(searches.fail, self._database, search, repr(error))

    async def _grow(self, search: ClaimedSearch) -> Tree:
        tree = Tree(search.question)
        session = await self._equipment.sandbox.open_session()
        try:
            await grow(
                tree,
                Assignment(
                    profile=self._profile.at_tier(search.tier),
                    seed=search.seed,
                    truth=search.answer,
                    affinity=search.search_id,
                ),
                Collaborators(
                    policy=self._equipment.policy,
                    executor=session,
                    grader=self._equipment.grader,
                    value=self._equipment.value,
                ),
            )
        finally:
            await session.close()
        return tree

    async def _renew_leases(self) -> None:
        """Keep the leases; stop the searches that another worker has taken."""
        while True:
            await asyncio.sleep(self._lease_seconds / RENEWALS_A_LEASE)
            held = list(self._running.values())
            if not held:
                continue
            lost = await asyncio.to_thread(
                searches.renew, self._database, held, lease_seconds=self._lease_seconds
            )
            for task, search in self._running.items():
                if search.search_id in lost and not task.done():
                    logger.warning("search %d was taken by another worker", search.search_id)
                    task.cancel()

    async def _give_back(self) -> None:
        """Stop what still runs and release its leases."""
        unfinished = {task: search for task, search in self._running.items() if not task.done()}
        self._running.clear()
        if not unfinished:
            return
        for task in unfinished:
            task.cancel()
        await asyncio.gather(*unfinished, return_exceptions=True)
        await asyncio.to_thread(searches.release, self._database, list(unfinished.values()))


def _describe(sandbox: SandboxProvider) -> str:
    isolation = sandbox.isolation
    return f"{isolation.provider} {isolation.image}"
