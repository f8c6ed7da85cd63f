"""A user's SQL can read everything and change nothing."""

from __future__ import annotations

import pytest

from db.errors import QueryRejected
from db.queries import readonly, searches
from db.queries.readonly import QueryResult
from db.session import Database
from tests.factories import claimed, planned_round, result


def ask(database: Database, sql: str, *, timeout: float = 5, max_rows: int = 10) -> QueryResult:
    return readonly.run(database, sql, timeout_seconds=timeout, max_rows=max_rows)


def test_rows_come_with_their_column_names(database: Database) -> None:
    answer = ask(database, "SELECT 1 AS one, 'x' AS letter")
    assert (answer.columns, answer.rows) == (("one", "letter"), ((1, "x"),))


def test_partitions_of_nodes_can_be_read(database: Database) -> None:
    this_round = planned_round(database, count=1)
    (search,) = claimed(database, this_round)
    searches.commit(database, search, result())
    assert ask(database, f"SELECT count(*) FROM nodes_round_{this_round.id}").rows == ((5,),)


def test_no_more_rows_are_fetched_than_are_wanted(database: Database) -> None:
    answer = ask(database, "SELECT * FROM generate_series(1, 1000)", max_rows=3)
    assert len(answer.rows) == 3
    assert answer.truncated


@pytest.mark.parametrize(
    "sql",
    [
        "DROP TABLE nodes",
        "SELECT 1; DROP TABLE nodes",
        "WITH gone AS (DELETE FROM runs RETURNING 1) SELECT * FROM gone",
        "EXPLAIN ANALYZE DELETE FROM runs",
        "SELECT pg_read_file('/etc/passwd')",
        "SELECT set_config('role', 'none', false), pg_read_file('/etc/passwd')",
        "COPY runs TO PROGRAM 'cat'",
        "DO $$ BEGIN RESET ROLE; DELETE FROM runs; END $$",
        "SELECT lo_import('/etc/passwd')",
        "SET TRANSACTION READ WRITE",
        "",
        "SELECT * FROM no_such_table",
    ],
)
def test_whatever_is_not_one_reading_statement_is_refused(database: Database, sql: str) -> None:
    with pytest.raises(QueryRejected):
        ask(database, sql)


def test_a_statement_that_takes_too_long_is_cut(database: Database) -> None:
    with pytest.raises(QueryRejected, match="timeout"):
        ask(database, "SELECT pg_sleep(30)", timeout=0.2)
