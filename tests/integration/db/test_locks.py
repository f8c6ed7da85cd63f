"""Who holds a lock works alone, and no reader holds up what needs one."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import psycopg
import pytest

from db import locks, migrate, reader
from db.errors import RoundBusy
from db.queries import mining, partitions
from db.records.runs import RoundRow
from db.session import Database
from tests.factories import planned_round


@contextmanager
def reader_that_holds(database: Database, work: locks.Work, number: int) -> Iterator[None]:
    """A session of the reader on a database whose own user could take no function from it."""
    with database.begin() as connection:
        connection.exec_driver_sql(
            "GRANT EXECUTE ON FUNCTION pg_advisory_lock(integer, integer) TO PUBLIC"
        )
    with psycopg.connect(reader.url(database.url), autocommit=True) as session:
        session.execute("SELECT pg_advisory_lock(%s::integer, %s)", [int(work), number])
        yield
        with pytest.raises(psycopg.OperationalError):
            session.execute("SELECT 1")


@pytest.fixture
def this_round(database: Database) -> RoundRow:
    return planned_round(database, count=1)


def test_a_reader_holds_up_no_migration(database: Database) -> None:
    with reader_that_holds(database, locks.Work.MIGRATING, 0):
        migrate.upgrade(database)


def test_a_reader_holds_up_no_mining(database: Database, this_round: RoundRow) -> None:
    with reader_that_holds(database, locks.Work.MINING, this_round.id):
        mining.mine(database, this_round.id)


def test_a_reader_holds_up_no_moving(database: Database, this_round: RoundRow) -> None:
    with (
        reader_that_holds(database, locks.Work.MOVING, this_round.id),
        partitions.alone(database, this_round.id),
    ):
        pass


def test_a_round_is_moved_by_one_and_free_again_when_it_ends(
    database: Database, this_round: RoundRow
) -> None:
    with partitions.alone(database, this_round.id):
        with pytest.raises(RoundBusy), partitions.alone(database, this_round.id):
            pass
        with pytest.raises(RoundBusy), partitions.alone(database, this_round.id):
            pass
    with partitions.alone(database, this_round.id):
        pass
