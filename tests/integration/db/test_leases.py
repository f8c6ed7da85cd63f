"""Leases: every piece of work is done once, whatever happens to the workers."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import pytest
from sqlalchemy import text

from db.errors import LeaseLost
from db.queries import consistency, integrity, leases, searches
from db.queries.leases import LeaseTable
from db.records.consistency import CheckRecord
from db.records.leases import WorkCounts
from db.session import Database
from db.vocabulary import Verdict
from tests.factories import claimed, planned_round, result


@dataclass(frozen=True)
class Work:
    """Open work of one kind in a round of its own."""

    database: Database
    leases: LeaseTable[Any]
    round_id: int
    progress: Callable[[Database, int], WorkCounts]
    commit: Callable[[Database, Any], None]

    def claim(self, *, owner: str = "one", limit: int = 100, seconds: float = 60) -> list[Any]:
        return self.leases.claim(
            self.database, self.round_id, owner=owner, limit=limit, lease_seconds=seconds
        )

    def close(self, piece: object) -> None:
        self.commit(self.database, piece)

    def counts(self) -> WorkCounts:
        return self.progress(self.database, self.round_id)


def open_searches(database: Database, count: int) -> Work:
    this_round = planned_round(database, count=count)
    return Work(
        database,
        searches.LEASES,
        this_round.id,
        searches.progress,
        lambda database, search: searches.commit(database, search, result()),
    )


def open_checks(database: Database, count: int) -> Work:
    this_round = planned_round(database, count=count)
    for search in claimed(database, this_round, limit=count):
        searches.commit(database, search, result())
    with database.begin() as connection:
        connection.execute(
            text(
                """
                INSERT INTO consistency_candidates
                       (search_id, leaf_no, round_id, confidence, mean_q, steps)
                SELECT search_id, min(node_no), round_id, 1, 1, 1 FROM nodes
                WHERE round_id = :round_id AND kind = 'answer' GROUP BY search_id, round_id
                """
            ),
            {"round_id": this_round.id},
        )
    check = CheckRecord("model", 1, 0.5, 1, 2, "", "4", Verdict.EQUAL, 3)
    return Work(
        database,
        consistency.LEASES,
        this_round.id,
        consistency.progress,
        lambda database, candidate: consistency.record(database, candidate, [check]),
    )


@pytest.fixture(params=[open_searches, open_checks])
def work(request: pytest.FixtureRequest, database: Database) -> Callable[[int], Work]:
    """Makes so many pieces of each kind of work that there is."""
    return lambda count: request.param(database, count)


def test_every_table_with_leases_is_tried_here(database: Database) -> None:
    with database.begin() as connection:
        tables = connection.execute(
            text(
                "SELECT table_name FROM information_schema.columns "
                "WHERE table_schema = 'public' AND column_name = 'lease_token'"
            )
        )
        assert set(tables.scalars()) == {searches.LEASES.table, consistency.LEASES.table}


def test_two_workers_never_hold_the_same_piece(work: Callable[[int], Work]) -> None:
    of_round = work(40)
    with ThreadPoolExecutor(8) as pool:
        shares = list(pool.map(lambda n: of_round.claim(owner=f"w{n}", limit=8), range(8)))
    held = [piece.key for share in shares for piece in share]
    assert len(held) == len(set(held)) == 40


def test_an_expired_lease_is_claimed_again_under_a_higher_token(
    work: Callable[[int], Work],
) -> None:
    of_round = work(1)
    (first,) = of_round.claim(seconds=-1)
    assert (of_round.counts().free, of_round.counts().leased) == (1, 0)
    (second,) = of_round.claim(owner="other")
    assert second.key == first.key
    assert second.lease_token == first.lease_token + 1
    assert of_round.claim() == []


def test_who_lost_a_lease_closes_nothing(work: Callable[[int], Work]) -> None:
    of_round = work(1)
    (stale,) = of_round.claim(seconds=-1)
    (fresh,) = of_round.claim(owner="other")
    with pytest.raises(LeaseLost, match=f"after token {stale.lease_token}; this result is dropped"):
        of_round.close(stale)
    assert of_round.counts().done == 0
    of_round.close(fresh)
    assert of_round.counts().done == 1
    assert of_round.counts().is_closed
    assert integrity.violations(of_round.database) == []


def test_renewing_keeps_leases_and_tells_which_were_lost(work: Callable[[int], Work]) -> None:
    of_round = work(2)
    held = of_round.claim(seconds=-1)
    (taken,) = of_round.claim(owner="other", limit=1)
    renewed = of_round.leases.renew(of_round.database, held, lease_seconds=60)
    assert renewed == {taken.key}
    assert of_round.claim() == []


def test_work_whose_engine_fails_stays_open_and_is_given_up_in_the_end(
    work: Callable[[int], Work],
) -> None:
    of_round = work(1)
    for failures in range(1, leases.MAX_FAILURES + 1):
        (piece,) = of_round.claim()
        of_round.leases.fail(of_round.database, piece, "the sandbox is gone")
        assert of_round.counts().failed == (failures == leases.MAX_FAILURES)
    assert (of_round.counts().done, of_round.counts().free) == (0, 0)
    assert of_round.leases.last_error(of_round.database, of_round.round_id) == "the sandbox is gone"
    assert of_round.leases.reopen_failed(of_round.database, of_round.round_id) == 1
    assert len(of_round.claim()) == 1


def test_who_lost_a_lease_reports_no_failure(work: Callable[[int], Work]) -> None:
    of_round = work(1)
    (stale,) = of_round.claim(seconds=-1)
    (fresh,) = of_round.claim(owner="other")
    also: list[object] = []
    of_round.leases.fail(of_round.database, stale, "late", also=lambda _, piece: also.append(piece))
    assert also == []
    assert of_round.leases.last_error(of_round.database, of_round.round_id) == ""
    of_round.leases.fail(of_round.database, fresh, "now", also=lambda _, piece: also.append(piece))
    assert also == [fresh]


def test_released_work_is_free_at_once(work: Callable[[int], Work]) -> None:
    of_round = work(2)
    of_round.leases.release(of_round.database, of_round.claim())
    assert len(of_round.claim()) == 2


def test_the_leases_of_a_dead_worker_are_freed_by_its_name(work: Callable[[int], Work]) -> None:
    of_round = work(2)
    of_round.claim(owner="dead", limit=1)
    of_round.claim(owner="alive", limit=1)
    table, database = of_round.leases, of_round.database
    assert sorted(table.owners(database, of_round.round_id)) == ["alive", "dead"]
    table.release_owner(database, of_round.round_id, "dead")
    assert table.owners(database, of_round.round_id) == ["alive"]


def test_planning_twice_adds_nothing(database: Database) -> None:
    this_round = planned_round(database, count=3)
    problem_ids = [search.problem_id for search in claimed(database, this_round)]
    assert searches.plan(database, this_round.id, problem_ids, seed=0) == 0
    assert searches.plan(database, this_round.id, problem_ids, seed=1) == 3
