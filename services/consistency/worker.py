"""One event loop judges many trajectories; a candidate whose engine failed stays unjudged."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING

from db.queries import consistency, curation
from services.work.worker import LEASE_SECONDS, Worker

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from db.queries.leases import LeaseTable, Undo
    from db.records.consistency import ClaimedCandidate
    from db.records.trees import PathStep
    from db.session import Database
    from services.consistency.judge import Judge
    from services.errors import InfrastructureError


def check_worker(
    database: Database,
    judge: Judge,
    *,
    owner: str,
    in_flight: int,
    lease_seconds: float = LEASE_SECONDS,
) -> Worker[ClaimedCandidate]:
    """A worker that judges a round's candidates until none is left to claim."""
    executor = CheckExecutor(database, judge, in_flight)
    return Worker(database, executor, owner=owner, lease_seconds=lease_seconds)


@dataclass(frozen=True, slots=True)
class CheckExecutor:
    """How candidates are judged; see `services.work.worker.Executor`."""

    database: Database
    judge: Judge
    in_flight: int

    @property
    def leases(self) -> LeaseTable[ClaimedCandidate]:
        """Those of the candidates."""
        return consistency.LEASES

    def when_room(self, wake: Callable[[], None]) -> None:
        """Room appears when a candidate ends, and then only."""

    def room(self, running: int) -> int:
        """So many at a time."""
        return self.in_flight - running

    async def open(self, held: Sequence[ClaimedCandidate]) -> list[CheckJob]:
        """Read the steps of the candidates, which are all of one round."""
        if not held:
            return []
        paths = await asyncio.to_thread(
            curation.paths,
            self.database,
            held[0].round_id,
            [candidate.key for candidate in held],
        )
        return [
            CheckJob(self.database, self.judge, candidate, paths[candidate.key])
            for candidate in held
        ]

    def undo(self, error: InfrastructureError) -> Undo[ClaimedCandidate] | None:
        """Nothing is stored of a candidate before it is judged."""

    async def close(self) -> None:
        """Every candidate is stored by its own job."""


@dataclass(frozen=True, slots=True)
class CheckJob:
    """One candidate that is checked."""

    database: Database
    judge: Judge
    candidate: ClaimedCandidate
    steps: Sequence[PathStep]

    async def run(self) -> None:
        """Check the candidate and record what came of it.

        Raises:
            LeaseLost: somebody else holds the candidate now.
            InfrastructureError: an engine failed; the candidate stays unjudged.
        """
        checks = await self.judge.judge(self.candidate, self.steps)
        await asyncio.to_thread(consistency.record, self.database, self.candidate, checks)

    async def keep(self) -> None:
        """Checks are recorded all together or not at all."""
