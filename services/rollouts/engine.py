"""One event loop, many trees: generation, execution, grading and storage overlap across them.

A search is opened when there is room for its requests (`services.rollouts.admission`), and each
tree is stored as it grows: one whose engine failed, or that is given back, keeps its nodes without
a label, and whoever claims it next goes on from there.
"""

from __future__ import annotations

import asyncio
import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING

from db.queries import growth, searches
from services.errors import StateNotReproducible
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
from services.work.worker import LEASE_SECONDS, Worker

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from db.queries.leases import LeaseTable, Undo
    from db.records.searches import ClaimedSearch
    from db.session import Database
    from services.errors import InfrastructureError
    from services.grading.base import Grader
    from services.profiles import SearchProfile
    from services.sandbox.base import SandboxProvider, SandboxSession
    from services.search.protocols import Policy, ValueModel

logger = logging.getLogger(__name__)

TYPICAL_PROMPT = 1500
"""Characters; room for one such request is what a new tree is claimed for."""


@dataclass(frozen=True, slots=True)
class Equipment:
    """The engines that a worker searches with."""

    policy: Policy
    value: ValueModel | None
    sandbox: SandboxProvider
    grader: Grader


def search_worker(
    database: Database,
    equipment: Equipment,
    profile: SearchProfile,
    *,
    owner: str,
    lease_seconds: float = LEASE_SECONDS,
) -> Worker[ClaimedSearch]:
    """A worker that searches a round's problems until none is left to claim."""
    executor = SearchExecutor(database, equipment, profile)
    return Worker(database, executor, owner=owner, lease_seconds=lease_seconds)


class SearchExecutor:
    """How searches are done; see `services.work.worker.Executor`."""

    def __init__(self, database: Database, equipment: Equipment, profile: SearchProfile) -> None:
        self._database = database
        self._equipment = equipment
        self._profile = profile
        self._writer = GroupWriter(database)
        self._wake: Callable[[], None] = lambda: None
        self._budget = TokenBudget(profile.tokens_in_flight, when_free=lambda: self._wake())
        self._value_budget = TokenBudget(profile.tokens_in_flight)

    @property
    def leases(self) -> LeaseTable[ClaimedSearch]:
        """Those of the searches."""
        return searches.LEASES

    def when_room(self, wake: Callable[[], None]) -> None:
        """A tree that waits for something else leaves room for the requests of another."""
        self._wake = wake

    def room(self, running: int) -> int:
        """How many more trees may be open: while their requests fit, and not too many at all."""
        requests = -(-self._budget.room // typical_request(self._profile))
        return min(self._profile.trees_in_flight - running, requests)

    async def open(self, held: Sequence[ClaimedSearch]) -> list[SearchJob]:
        """Read what is stored of the searches already."""
        stored = await asyncio.to_thread(growth.stored_nodes, self._database, held)
        return [
            SearchJob(
                SearchUnderWay(
                    search,
                    self._profile.at_tier(search.tier),
                    self._writer,
                    stored=stored[search.search_id],
                    sandbox=_describe(self._equipment.sandbox),
                ),
                self._equipment,
                self._budget,
                self._value_budget,
            )
            for search in held
        ]

    def undo(self, error: InfrastructureError) -> Undo[ClaimedSearch] | None:
        """A tree whose states cannot be made again starts over."""
        return growth.start_over if isinstance(error, StateNotReproducible) else None

    async def close(self) -> None:
        """Wait until every tree is stored."""
        await self._writer.drain()


@dataclass(frozen=True, slots=True)
class SearchJob:
    """One tree that grows."""

    under_way: SearchUnderWay
    equipment: Equipment
    budget: TokenBudget
    value_budget: TokenBudget

    async def run(self) -> None:
        """Grow the tree and store it.

        Raises:
            LeaseLost: somebody else holds the search now.
            InfrastructureError: an engine failed; the search has no label.
        """
        search = self.under_way.search
        if search.node_count:
            logger.info(
                "search %d goes on after rollout %d, with %d nodes",
                *(search.search_id, search.rollouts, search.node_count),
            )
        profile = self.under_way.profile
        with self.budget.expectation(typical_request(profile)) as has_asked:
            session = await self.equipment.sandbox.open_session()
            try:
                recall_states(self.under_way.tree, session)
                await grow(
                    self.under_way.tree,
                    Assignment(
                        profile=profile,
                        seed=search.seed,
                        truth=search.answer,
                        affinity=search.search_id,
                    ),
                    self._collaborators(session, has_asked),
                    after_rollout=self.under_way.after_rollout,
                )
            finally:
                await session.close()
        await self.under_way.finish()

    async def keep(self) -> None:
        """Store the tree as far as it has grown."""
        await self.under_way.keep()

    def _collaborators(
        self, session: SandboxSession, has_asked: Callable[[], None]
    ) -> Collaborators:
        sampling = self.under_way.profile.sampling
        value = self.equipment.value
        return Collaborators(
            policy=AdmittedPolicy(
                self.equipment.policy, self.budget, sampling.max_step_tokens, asked=has_asked
            ),
            executor=session,
            grader=self.equipment.grader,
            value=value and AdmittedValue(value, self.value_budget),
        )


def typical_request(profile: SearchProfile) -> int:
    """Tokens of the request that a new tree makes room for."""
    return request_tokens(
        TYPICAL_PROMPT,
        count=profile.candidates,
        step_tokens=profile.sampling.max_step_tokens,
    )


def _describe(sandbox: SandboxProvider) -> str:
    isolation = sandbox.isolation
    return f"{isolation.provider} {isolation.image}"
