"""One event loop does many pieces of work: claim, run, renew, commit, until none is free.

A worker works on what it holds a lease for and nothing else. A piece whose lease was lost is
dropped. One whose engine failed, or that is given back, keeps what its job can store without a
label, and whoever claims it next goes on from there.
"""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, Generic, Protocol

from db.errors import LeaseLost
from db.queries.leases import Held
from services.errors import InfrastructureError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from db.queries.leases import LeaseTable, Undo
    from db.session import Database

logger = logging.getLogger(__name__)

LEASE_SECONDS = 30.0
"""How long a dead worker's pieces stay unclaimed."""
RENEWALS_A_LEASE = 4
MOST_CLAIMED_AT_ONCE = 64


class Job(Protocol):
    """One piece of work under way."""

    async def run(self) -> None:
        """Do the work and commit it.

        Raises:
            LeaseLost: somebody else holds the piece now.
            InfrastructureError: an engine failed; nothing is known about the piece.
        """
        ...

    async def keep(self) -> None:
        """Store what the work has come to so far, if anything."""
        ...


class Executor(Protocol[Held]):
    """How one kind of work is done."""

    @property
    def leases(self) -> LeaseTable[Held]:
        """Where the work is held."""
        ...

    def room(self, running: int) -> int:
        """How many more pieces could be run beside those that are running."""
        ...

    def when_room(self, wake: Callable[[], None]) -> None:
        """Have `wake` called whenever there may be more room although no piece has ended."""
        ...

    async def open(self, held: Sequence[Held]) -> Sequence[Job]:
        """The jobs of claimed pieces, in their order."""
        ...

    def undo(self, error: InfrastructureError) -> Undo[Held] | None:
        """What a failure undoes of what was kept; None where nothing is undone."""
        ...

    async def close(self) -> None:
        """Wait until everything that is being stored is stored."""
        ...


class Worker(Generic[Held]):
    """Does a round's work of one kind until none is left to claim."""

    def __init__(
        self,
        database: Database,
        executor: Executor[Held],
        *,
        owner: str,
        lease_seconds: float = LEASE_SECONDS,
    ) -> None:
        """`owner` names this worker in the leases; it must be unique to the process."""
        self._database = database
        self._executor = executor
        self._leases = executor.leases
        self._owner = owner
        self._lease_seconds = lease_seconds
        self._running: dict[asyncio.Task[None], tuple[Held, Job]] = {}
        self._woken = asyncio.Event()
        self._nothing_free = False
        executor.when_room(self._woken.set)

    async def run(self, round_id: int) -> int:
        """Claim and work until nothing is free. Returns how many pieces were claimed.

        When cancelled it gives its pieces back, so that another worker may take them at once.
        """
        claimed = 0
        heartbeat = asyncio.create_task(self._renew_leases())
        heartbeat.add_done_callback(lambda _: self._woken.set())
        filling = asyncio.create_task(self._fill(round_id))
        try:
            while True:
                # Not to be cut off between a claim and its note in `_running`.
                claimed += await asyncio.shield(filling)
                if not self._running:
                    return claimed
                await self._woken.wait()
                self._woken.clear()
                if heartbeat.done():
                    heartbeat.result()
                self._reap()
                filling = asyncio.create_task(self._fill(round_id))
        finally:
            heartbeat.cancel()
            await asyncio.gather(heartbeat, filling, return_exceptions=True)
            await self._give_back()

    async def _fill(self, round_id: int) -> int:
        """Claim as many pieces as there is room for, and start them."""
        room = min(self._executor.room(len(self._running)), MOST_CLAIMED_AT_ONCE)
        if room <= 0 or self._nothing_free:
            return 0
        held = await asyncio.to_thread(
            self._leases.claim,
            self._database,
            round_id,
            owner=self._owner,
            limit=room,
            lease_seconds=self._lease_seconds,
        )
        # Somebody may give a piece back, so it is asked again when one of ours has ended.
        self._nothing_free = len(held) < room
        try:
            jobs = await self._executor.open(held)
        except BaseException:
            await asyncio.to_thread(self._leases.release, self._database, held)
            raise
        for piece, job in zip(held, jobs, strict=True):
            task = asyncio.create_task(self._do(piece, job))
            task.add_done_callback(lambda _: self._woken.set())
            self._running[task] = piece, job
        return len(held)

    def _reap(self) -> None:
        """Forget the finished pieces; a failure that nobody handled surfaces here."""
        for task in [task for task in self._running if task.done()]:
            del self._running[task]
            self._nothing_free = False
            if not task.cancelled():
                task.result()

    async def _do(self, piece: Held, job: Job) -> None:
        try:
            await job.run()
        except LeaseLost as error:
            logger.warning("%s", error)
        except InfrastructureError as error:
            undo = self._executor.undo(error)
            if undo is None:
                await self._keep(piece, job)
            logger.warning("%s is given back: %s", self._leases.name(piece), error)
            await asyncio.to_thread(self._leases.fail, self._database, piece, str(error), also=undo)
        except Exception as error:
            # A defect of our own must not take the other pieces with it, nor be tried for ever.
            logger.exception("%s met a defect", self._leases.name(piece))
            await self._keep(piece, job)
            await asyncio.to_thread(self._leases.fail, self._database, piece, repr(error))

    async def _keep(self, piece: Held, job: Job) -> None:
        try:
            await job.keep()
        except Exception as error:
            logger.warning("%s loses what it has not stored: %s", self._leases.name(piece), error)

    async def _renew_leases(self) -> None:
        """Keep the leases; stop the pieces that another worker has taken."""
        while True:
            await asyncio.sleep(self._lease_seconds / RENEWALS_A_LEASE)
            held = [piece for piece, _ in self._running.values()]
            if not held:
                continue
            lost = await asyncio.to_thread(
                self._leases.renew, self._database, held, lease_seconds=self._lease_seconds
            )
            for task, (piece, _) in self._running.items():
                if piece.key in lost and not task.done():
                    logger.warning("%s was taken by another worker", self._leases.name(piece))
                    task.cancel()

    async def _give_back(self) -> None:
        """Stop what still runs, keep what it has come to, and release its leases."""
        unfinished = {task: of for task, of in self._running.items() if not task.done()}
        self._running.clear()
        for task in unfinished:
            task.cancel()
        await asyncio.gather(*unfinished, return_exceptions=True)
        await asyncio.gather(*(self._keep(piece, job) for piece, job in unfinished.values()))
        await self._executor.close()
        if unfinished:
            held = [piece for piece, _ in unfinished.values()]
            await asyncio.to_thread(self._leases.release, self._database, held)
