"""One event loop, many trees: generation, execution, grading and storage overlap across them.

The engine works on what it holds a lease for and nothing else. It claims a search when there is
room for its requests (`services.rollouts.admission`), renews its leases while it works, and stores
each tree as it grows. A search whose lease was lost is dropped; one whose engine failed, or that is
given back, keeps its nodes without a label, and whoever claims it next goes on from there.
"""

from __future__ import annotations

import asyncio
import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING

from db.errors import LeaseLost
from db.queries import growth, searches
from services.errors import InfrastructureError, StateNotReproducible
from services.rollouts.admission import (
    AdmittedPolicy,
    AdmittedValue,
    TokenBudget,
    request_tokens,
)
from services.rollouts.progress import SearchUnderWay
from services.rollouts.results import recall_states
from services.rollouts.writer import GroupWriter
from services.search.grow import grow
from services.search.protocols import Assignment, Collaborators

if TYPE_CHECKING:
    from db.session import Database
    from services.grading.base import Grader
    from services.profiles import SearchProfile
    from services.sandbox.base import SandboxProvider
    from services.search.protocols import Policy, ValueModel

logger = logging.getLogger(__name__)

LEASE_SECONDS = 30.0
"""How long a dead worker's searches stay unclaimed."""
RENEWALS_A_LEASE = 4
MOST_CLAIMED_AT_ONCE = 64
TYPICAL_PROMPT = 1500
"""Characters; room for one such request is what a new tree is claimed for."""


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
        self._running: dict[asyncio.Task[None], SearchUnderWay] = {}
        self._stirred = asyncio.Event()
        self._nothing_free = False
        self._writer = GroupWriter(database)
        self._budget = TokenBudget(profile.tokens_in_flight, when_free=self._stirred.set)
        self._value_budget = TokenBudget(profile.tokens_in_flight)

    async def run(self, round_id: int) -> int:
        """Claim and search until nothing is free. Returns how many searches were claimed.

        When cancelled it gives its searches back, so that another worker may take them at once.
        """
        claimed = 0
        heartbeat = asyncio.create_task(self._renew_leases())
        heartbeat.add_done_callback(lambda _: self._stirred.set())
        try:
            while True:
                claimed += await self._fill(round_id)
                if not self._running:
                    return claimed
                await self._stirred.wait()
                self._stirred.clear()
                if heartbeat.done():
                    heartbeat.result()
                self._reap()
        finally:
            heartbeat.cancel()
            await self._give_back()

    async def _fill(self, round_id: int) -> int:
        """Claim as many searches as there is room for, and start them."""
        room = self._room()
        if not room or self._nothing_free:
            return 0
        held = await asyncio.to_thread(
            searches.LEASES.claim,
            self._database,
            round_id,
            owner=self._owner,
            limit=room,
            lease_seconds=self._lease_seconds,
        )
        # Somebody may give a search back, so it is asked again when one of ours has ended.
        self._nothing_free = len(held) < room
        stored = await asyncio.to_thread(growth.stored_nodes, self._database, held)
        for search in held:
            under_way = SearchUnderWay(
                search,
                self._profile.at_tier(search.tier),
                self._writer,
                stored=stored[search.search_id],
                sandbox=_describe(self._equipment.sandbox),
            )
            task = asyncio.create_task(self._search(under_way))
            task.add_done_callback(lambda _: self._stirred.set())
            self._running[task] = under_way
        return len(held)

    def _room(self) -> int:
        """How many more trees may be open: while their requests fit, and not too many at all."""
        trees = self._profile.trees_in_flight - len(self._running)
        requests = -(-self._budget.room // self._request_tokens(self._profile))
        return max(0, min(trees, requests, MOST_CLAIMED_AT_ONCE))

    def _request_tokens(self, profile: SearchProfile) -> int:
        return request_tokens(
            TYPICAL_PROMPT,
            count=profile.candidates,
            step_tokens=profile.sampling.max_step_tokens,
        )

    def _reap(self) -> None:
        """Forget the finished searches; a failure that nobody handled surfaces here."""
        for task in [task for task in self._running if task.done()]:
            del self._running[task]
            self._nothing_free = False
            if not task.cancelled():
                task.result()

    async def _search(self, under_way: SearchUnderWay) -> None:
        """Grow one tree and store it."""
        search = under_way.search
        try:
            if search.node_count:
                logger.info(
                    "search %d goes on after rollout %d, with %d nodes",
                    *(search.search_id, search.rollouts, search.node_count),
                )
            await self._grow(under_way)
            await under_way.finish()
        except LeaseLost as error:
            logger.warning("%s", error)
        except StateNotReproducible as error:
            logger.warning("search %d starts over: %s", search.search_id, error)
            await asyncio.to_thread(
                searches.LEASES.fail, self._database, search, str(error), also=growth.start_over
            )
        except InfrastructureError as error:
            logger.warning("search %d is given back: %s", search.search_id, error)
            await self._give_up(under_way, str(error))
        except Exception as error:
            # A defect of our own must not take the other trees with it, nor be tried for ever.
            logger.exception("search %d met a defect", search.search_id)
            await self._give_up(under_way, repr(error))

    async def _give_up(self, under_way: SearchUnderWay, error: str) -> None:
        """Keep what a search has come to, and let somebody else go on."""
        await self._keep(under_way)
        await asyncio.to_thread(searches.LEASES.fail, self._database, under_way.search, error)

    async def _keep(self, under_way: SearchUnderWay) -> None:
        try:
            await under_way.keep()
        except Exception as error:
            logger.warning(
                "search %d loses what it has not stored: %s", under_way.search.search_id, error
            )

    async def _grow(self, under_way: SearchUnderWay) -> None:
        search, profile = under_way.search, under_way.profile
        with self._budget.expectation(self._request_tokens(profile)) as has_asked:
            session = await self._equipment.sandbox.open_session()
            try:
                recall_states(under_way.tree, session)
                await grow(
                    under_way.tree,
                    Assignment(
                        profile=profile,
                        seed=search.seed,
                        truth=search.answer,
                        affinity=search.search_id,
                    ),
                    Collaborators(
                        policy=AdmittedPolicy(
                            self._equipment.policy,
                            self._budget,
                            profile.sampling.max_step_tokens,
                            asked=has_asked,
                        ),
                        executor=session,
                        grader=self._equipment.grader,
                        value=self._equipment.value
                        and AdmittedValue(self._equipment.value, self._value_budget),
                    ),
                    after_rollout=under_way.after_rollout,
                )
            finally:
                await session.close()

    async def _renew_leases(self) -> None:
        """Keep the leases; stop the searches that another worker has taken."""
        while True:
            await asyncio.sleep(self._lease_seconds / RENEWALS_A_LEASE)
            held = [under_way.search for under_way in self._running.values()]
            if not held:
                continue
            lost = await asyncio.to_thread(
                searches.LEASES.renew, self._database, held, lease_seconds=self._lease_seconds
            )
            for task, under_way in self._running.items():
                if under_way.search.key in lost and not task.done():
                    logger.warning(
                        "search %d was taken by another worker", under_way.search.search_id
                    )
                    task.cancel()

    async def _give_back(self) -> None:
        """Stop what still runs, keep what it has come to, and release its leases."""
        unfinished = {task: at for task, at in self._running.items() if not task.done()}
        self._running.clear()
        for task in unfinished:
            task.cancel()
        await asyncio.gather(*unfinished, return_exceptions=True)
        await asyncio.gather(*(self._keep(under_way) for under_way in unfinished.values()))
        await self._writer.drain()
        if unfinished:
            held = [under_way.search for under_way in unfinished.values()]
            await asyncio.to_thread(searches.LEASES.release, self._database, held)


def _describe(sandbox: SandboxProvider) -> str:
    isolation = sandbox.isolation
    return f"{isolation.provider} {isolation.image}"
