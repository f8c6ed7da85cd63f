"""Leases: every search is done once, whatever happens to the workers."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest
from sqlalchemy import text

from db.errors import LeaseLost
from db.queries import integrity, searches
from db.session import Database
from tests.factories import claimed, planned_round, result


def lapse_all(database: Database) -> None:
    with database.begin() as connection:
        connection.execute(text("UPDATE searches SET lease_expires_at = now() - interval '1 s'"))


def test_two_workers_never_hold_the_same_search(database: Database) -> None:
    this_round = planned_round(database, count=40)
    with ThreadPoolExecutor(8) as pool:
        shares = list(
            pool.map(lambda n: claimed(database, this_round, owner=f"w{n}", limit=8), range(8))
        )
    held = [search.search_id for share in shares for search in share]
    assert len(held) == len(set(held)) == 40


def test_a_lapsed_lease_is_claimed_again_under_a_higher_token(database: Database) -> None:
    this_round = planned_round(database, count=1)
    (first,) = claimed(database, this_round)
    assert claimed(database, this_round) == []
    lapse_all(database)
    (second,) = claimed(database, this_round, owner="other")
    assert second.search_id == first.search_id
    assert second.lease_token == first.lease_token + 1


def test_a_worker_that_lost_its_lease_commits_nothing(database: Database) -> None:
    this_round = planned_round(database, count=1)
    (stale,) = claimed(database, this_round)
    lapse_all(database)
    (fresh,) = claimed(database, this_round, owner="other")
    searches.commit(database, fresh, result())
    with pytest.raises(LeaseLost, match="dropped"):
        searches.commit(database, stale, result())
    counts = searches.progress(database, this_round.id)
    assert (counts.done, counts.nodes, counts.solved) == (1, 5, 1)
    assert integrity.violations(database) == []


def test_renewing_tells_which_searches_were_lost(database: Database) -> None:
    this_round = planned_round(database, count=2)
    held = claimed(database, this_round)
    lapse_all(database)
    taken = claimed(database, this_round, owner="other", limit=1)
    assert searches.renew(database, held, lease_seconds=60) == {taken[0].search_id}


def test_a_search_whose_engine_fails_stays_open_and_is_given_up_in_the_end(
    database: Database,
) -> None:
    this_round = planned_round(database, count=1)
    for _ in range(searches.MAX_FAILURES - 1):
        (search,) = claimed(database, this_round)
        searches.fail(database, search, "the sandbox is gone")
        assert searches.progress(database, this_round.id).failed == 0
    (search,) = claimed(database, this_round)
    searches.fail(database, search, "the sandbox is gone")
    counts = searches.progress(database, this_round.id)
    assert (counts.failed, counts.done, counts.nodes) == (1, 0, 0)
    assert searches.last_error(database, this_round.id) == "the sandbox is gone"
    assert searches.reopen_failed(database, this_round.id) == 1
    assert len(claimed(database, this_round)) == 1


def test_a_released_search_is_free_at_once(database: Database) -> None:
    this_round = planned_round(database, count=2)
    searches.release(database, claimed(database, this_round))
    assert len(claimed(database, this_round)) == 2


def test_the_leases_of_a_dead_worker_are_freed_by_its_name(database: Database) -> None:
    this_round = planned_round(database, count=2)
    claimed(database, this_round, owner="dead", limit=1)
    claimed(database, this_round, owner="alive", limit=1)
    assert sorted(searches.owners(database, this_round.id)) == ["alive", "dead"]
    searches.release_owner(database, this_round.id, "dead")
    assert searches.owners(database, this_round.id) == ["alive"]


def test_planning_twice_adds_nothing(database: Database) -> None:
    this_round = planned_round(database, count=3)
    problem_ids = [search.problem_id for search in claimed(database, this_round)]
    assert searches.plan(database, this_round.id, problem_ids, seed=0) == 0
    assert searches.plan(database, this_round.id, problem_ids, seed=1) == 3
