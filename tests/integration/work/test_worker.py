"""A worker claims what it has room for, keeps its leases, and gives back what it cannot finish."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field

import pytest
from sqlalchemy import Connection, text

from db.queries import leases, searches
from db.queries.leases import LeaseTable, Undo
from db.records.runs import RoundRow
from db.records.searches import ClaimedSearch
from db.session import Database
from services.errors import InfrastructureError, PolicyUnavailable, SandboxUnavailable
from services.work.worker import Worker
from tests.factories import planned_round, result

Deed = Callable[[ClaimedSearch], Awaitable[None]]


@dataclass
class Work:
    """An executor of searches whose deed a test chooses; notes what became of each."""

    database: Database
    deed: Deed
    at_once: int = 4
    opening: Callable[[], Awaitable[None]] | None = None
    kept: list[int] = field(default_factory=list)
    undone: list[int] = field(default_factory=list)
    running: int = 0
    most_running: int = 0
    is_closed: bool = False

    @property
    def leases(self) -> LeaseTable[ClaimedSearch]:
        return searches.LEASES

    def when_room(self, wake: Callable[[], None]) -> None:
        pass

    def room(self, running: int) -> int:
        return self.at_once - running

    async def open(self, held: Sequence[ClaimedSearch]) -> list[WorkJob]:
        if self.opening is not None:
            await self.opening()
        return [WorkJob(self, search) for search in held]

    def undo(self, error: InfrastructureError) -> Undo[ClaimedSearch] | None:
        return self._undo if isinstance(error, SandboxUnavailable) else None

    def _undo(self, _connection: Connection, search: ClaimedSearch) -> None:
        self.undone.append(search.search_id)

    async def close(self) -> None:
        self.is_closed = True


@dataclass
class WorkJob:
    of: Work
    search: ClaimedSearch

    async def run(self) -> None:
        self.of.running += 1
        self.of.most_running = max(self.of.most_running, self.of.running)
        try:
            await self.of.deed(self.search)
            await asyncio.to_thread(searches.commit, self.of.database, self.search, result())
        finally:
            self.of.running -= 1

    async def keep(self) -> None:
        self.of.kept.append(self.search.search_id)


async def at_once(_: ClaimedSearch) -> None:
    """The work needs no time."""


async def for_ever(_: ClaimedSearch) -> None:
    await asyncio.Event().wait()


@pytest.fixture
def this_round(database: Database) -> RoundRow:
    return planned_round(database, count=9)


def worker(work: Work, *, lease_seconds: float = 60) -> Worker[ClaimedSearch]:
    return Worker(work.database, work, owner="me", lease_seconds=lease_seconds)


async def once(is_so: Callable[[], bool]) -> None:
    """Wait until something is so."""
    async with asyncio.timeout(20):
        while not is_so():  # noqa: ASYNC110  # what it asks is partly in the database
            await asyncio.sleep(0.01)


async def test_all_work_is_done_and_no_more_at_once_than_there_is_room_for(
    database: Database, this_round: RoundRow
) -> None:
    full = asyncio.Event()

    async def with_others(_: ClaimedSearch) -> None:
        if work.running == 4:
            full.set()
        await full.wait()

    work = Work(database, with_others, at_once=4)
    assert await worker(work).run(this_round.id) == 9
    assert work.most_running == 4
    assert searches.progress(database, this_round.id).done == 9
    assert (work.kept, work.undone, work.is_closed) == ([], [], True)


async def test_a_cancelled_worker_keeps_what_it_has_and_gives_it_back_at_once(
    database: Database, this_round: RoundRow
) -> None:
    work = Work(database, for_ever, at_once=9)
    running = asyncio.create_task(worker(work).run(this_round.id))
    await once(lambda: work.running == 9)
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    assert len(work.kept) == 9
    assert searches.progress(database, this_round.id).free == 9


async def test_who_is_cancelled_between_claiming_and_starting_holds_nothing(
    database: Database, this_round: RoundRow
) -> None:
    is_opening, go_on = asyncio.Event(), asyncio.Event()

    async def opening() -> None:
        is_opening.set()
        await go_on.wait()

    running = asyncio.create_task(
        worker(Work(database, for_ever, opening=opening)).run(this_round.id)
    )
    await is_opening.wait()
    assert searches.progress(database, this_round.id).leased == 4
    running.cancel()
    await asyncio.sleep(0)
    go_on.set()
    with pytest.raises(asyncio.CancelledError):
        await running
    assert searches.progress(database, this_round.id).leased == 0


async def test_what_was_claimed_and_cannot_be_opened_is_given_back(
    database: Database, this_round: RoundRow
) -> None:
    async def opening() -> None:
        raise ConnectionError("the database is gone")

    with pytest.raises(ConnectionError):
        await worker(Work(database, at_once, opening=opening)).run(this_round.id)
    assert searches.progress(database, this_round.id).free == 9


async def test_work_that_another_has_taken_is_stopped_and_not_committed(
    database: Database,
) -> None:
    this_round = planned_round(database, count=1)
    work = Work(database, for_ever)
    running = asyncio.create_task(worker(work, lease_seconds=0.2).run(this_round.id))
    await once(lambda: work.running == 1)
    searches.LEASES.release_owner(database, this_round.id, "me")
    (taken,) = searches.LEASES.claim(
        database, this_round.id, owner="other", limit=1, lease_seconds=60
    )
    assert await running == 1
    assert searches.LEASES.owners(database, this_round.id) == ["other"]
    assert work.kept == []
    assert searches.LEASES.renew(database, [taken], lease_seconds=60) == set()


async def test_leases_are_renewed_while_the_work_takes_longer_than_they_last(
    database: Database, this_round: RoundRow
) -> None:
    finish = asyncio.Event()

    async def until_told(_: ClaimedSearch) -> None:
        await finish.wait()

    work = Work(database, until_told, at_once=9)
    running = asyncio.create_task(worker(work, lease_seconds=0.5).run(this_round.id))
    await once(lambda: work.running == 9)
    with database.begin() as connection:
        first = connection.execute(text("SELECT min(lease_expires_at) FROM searches")).scalar_one()

    def all_are_renewed() -> bool:
        with database.begin() as connection:
            oldest = text("SELECT min(lease_expires_at) FROM searches")
            return bool(connection.execute(oldest).scalar_one() > first)

    await once(all_are_renewed)
    finish.set()
    assert await running == 9


async def test_a_worker_whose_leases_cannot_be_renewed_stops(
    database: Database, this_round: RoundRow
) -> None:
    """Else it would work on what others may claim."""
    work = Work(database, for_ever)
    running = asyncio.create_task(worker(work, lease_seconds=0.2).run(this_round.id))
    await once(lambda: work.running == 4)
    with database.begin() as connection:
        connection.execute(text("ALTER TABLE searches RENAME lease_expires_at TO gone"))
    with pytest.raises(Exception, match="lease_expires_at"):
        await running
    assert work.running == 0


async def test_work_whose_engine_fails_is_kept_and_given_back_until_it_is_given_up(
    database: Database,
) -> None:
    this_round = planned_round(database, count=1)

    async def down(_: ClaimedSearch) -> None:
        raise PolicyUnavailable("the model server is down")

    work = Work(database, down)
    assert await worker(work).run(this_round.id) == leases.MAX_FAILURES
    assert searches.progress(database, this_round.id).failed == 1
    assert len(work.kept) == leases.MAX_FAILURES
    assert work.undone == []


async def test_a_failure_that_undoes_what_was_kept_keeps_nothing(database: Database) -> None:
    this_round = planned_round(database, count=1)
    tried: list[int] = []

    async def lost_first(search: ClaimedSearch) -> None:
        tried.append(search.search_id)
        if len(tried) == 1:
            raise SandboxUnavailable("its state is gone")

    work = Work(database, lost_first)
    assert await worker(work).run(this_round.id) == 2
    assert (work.kept, work.undone) == ([], tried[:1])
    assert searches.progress(database, this_round.id).done == 1


async def test_a_defect_in_one_piece_leaves_the_others_alone(
    database: Database, this_round: RoundRow
) -> None:
    met: list[int] = []

    async def broken_once(search: ClaimedSearch) -> None:
        if not met or met[0] == search.search_id:
            met.append(search.search_id)
            raise ZeroDivisionError("a defect")

    work = Work(database, broken_once)
    await worker(work).run(this_round.id)
    counts = searches.progress(database, this_round.id)
    assert (counts.done, counts.failed) == (8, 1)
    assert len(met) == leases.MAX_FAILURES
    assert "a defect" in searches.LEASES.last_error(database, this_round.id)
