"""Killed at any moment of a commit, the database keeps what it acknowledged, and only whole."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

import psutil
import pytest
from sqlalchemy import text

from db import bulk, migrate
from db.bulk import Committed
from db.errors import DatabaseError
from db.queries import integrity, searches
from db.records.runs import RoundRow
from db.records.searches import ClaimedSearch
from db.session import Database
from services.embedded import postgres
from services.embedded.home import Home, open_home
from tests.chaos.committing import CLAIMED, wide_result, wide_tree
from tests.factories import claimed, planned_round


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Home]:
    """A server of its own, which a test may kill."""
    home = open_home(tmp_path)
    yield home
    postgres.stop(home)


class Committer:
    """A process that commits the trees of a round, and what it acknowledged so far."""

    def __init__(self, url: str, this_round: RoundRow, owner: str) -> None:
        self.acknowledged: set[int] = set()
        self.process = subprocess.Popen(
            [sys.executable, "-m", "tests.chaos.committing", url, str(this_round.id), owner],
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )

    def hear(self, batches: int | None = None) -> None:
        """Read so many acknowledgements and on to the next claim; without a number, to the end."""
        assert self.process.stdout is not None
        left = batches
        while (line := self.process.stdout.readline()).endswith("\n"):
            if line != CLAIMED:
                self.acknowledged |= set(map(int, line.split()))
                left = None if left is None else left - 1
            elif left is not None and left <= 0:
                break

    def kill(self) -> None:
        self.process.kill()
        self.hear()
        self.process.wait()


def done(database: Database, this_round: RoundRow) -> set[int]:
    with database.begin() as connection:
        return set(
            connection.execute(
                text("SELECT id FROM searches WHERE round_id = :id AND status = 'done'"),
                {"id": this_round.id},
            ).scalars()
        )


def commit_in_process(url: str, held: list[ClaimedSearch]) -> Committed:
    database = Database(url)
    try:
        return bulk.commit_trees(database, [(search, wide_result()) for search in held])
    finally:
        database.close()


def assert_whole(database: Database, this_round: RoundRow, acknowledged: set[int]) -> None:
    """Everything that was acknowledged is there, every tree is whole, every rule holds."""
    finished = done(database, this_round)
    assert acknowledged <= finished
    assert integrity.violations(database) == []
    assert searches.progress(database, this_round.id).nodes == len(finished) * len(wide_tree())


def test_two_processes_that_commit_the_same_searches_write_each_once(database: Database) -> None:
    this_round = planned_round(database, count=24)
    held = claimed(database, this_round, limit=24)
    with ProcessPoolExecutor(2, mp_context=get_context("spawn")) as pool:
        became = [
            future.result()
            for future in [
                pool.submit(commit_in_process, database.url, order) for order in (held, held[::-1])
            ]
        ]
    assert sorted(len(each.written) for each in became) == [0, 24]
    assert sorted(len(each.already_done) for each in became) == [0, 24]
    assert_whole(database, this_round, {search.search_id for search in held})


@pytest.mark.slow
def test_a_commit_that_is_cut_leaves_no_half_tree_and_is_made_again(database: Database) -> None:
    this_round = planned_round(database, count=160)
    acknowledged: set[int] = set()
    for attempt in range(4):
        committer = Committer(database.url, this_round, f"worker {attempt}")
        committer.hear(1 + attempt % 3)
        committer.kill()
        acknowledged |= committer.acknowledged
        assert_whole(database, this_round, acknowledged)
        assert searches.LEASES.owners(database, this_round.id) == [f"worker {attempt}"]
        searches.LEASES.release_owner(database, this_round.id, f"worker {attempt}")
    last = Committer(database.url, this_round, "the last")
    last.hear()
    assert last.process.wait() == 0
    assert len(done(database, this_round)) == 160
    assert_whole(database, this_round, acknowledged | last.acknowledged)


@pytest.mark.slow
def test_a_postgres_that_is_killed_during_ingest_loses_nothing_it_acknowledged(home: Home) -> None:
    url = postgres.start(home)
    database = Database(url)
    migrate.ensure(database)
    this_round = planned_round(database, count=160)
    acknowledged: set[int] = set()
    for attempt in range(3):
        committer = Committer(url, this_round, f"worker {attempt}")
        committer.hear(2)
        kill_postgres(home)
        committer.hear()
        assert committer.process.wait() != 0
        acknowledged |= committer.acknowledged
        with pytest.raises(DatabaseError, match="cannot be reached"):
            done(database, this_round)
        assert postgres.start(home) == url
        assert_whole(database, this_round, acknowledged)
        searches.LEASES.release_owner(database, this_round.id, f"worker {attempt}")
    last = Committer(url, this_round, "the last")
    last.hear()
    assert last.process.wait() == 0
    assert_whole(database, this_round, acknowledged | last.acknowledged)
    assert len(done(database, this_round)) == 160
    database.close()


def kill_postgres(home: Home) -> None:
    """SIGKILL for the postmaster and every backend of this home."""
    pid = int((home.postgres / "postmaster.pid").read_text().splitlines()[0])
    postmaster = psutil.Process(pid)
    victims = [postmaster, *postmaster.children(recursive=True)]
    for victim in victims:
        victim.kill()
    psutil.wait_procs(victims, timeout=30)
