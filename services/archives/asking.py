"""SQL over archived rounds: DuckDB reads their Parquet files where they lie."""

from __future__ import annotations

import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING

import duckdb

from db.errors import QueryRejected
from db.queries.readonly import Limits, QueryResult
from db.values import Q_VALUE
from services.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from db.records.archives import ArchiveRow

_READS = (duckdb.StatementType.SELECT, duckdb.StatementType.EXPLAIN)


def ask(archives: Sequence[ArchiveRow], sql: str, *, limits: Limits | None = None) -> QueryResult:
    """Run one query over the view `nodes`, which is every archived node with its q_value.

    It can read those files and nothing else of this machine, write nowhere, and take no more time
    and memory than `limits`.

    Raises:
        ConfigurationError: nothing is archived.
        QueryRejected: the query is wrong, or takes too long or too much memory; with what DuckDB
            says.
    """
    limits = limits or Limits()
    if not archives:
        raise ConfigurationError(
            "No round is archived. `stepforge rounds archive RUN NUMBER` archives one."
        )
    try:
        with _session(archives, limits) as connection, _interrupted(connection, limits.seconds):
            return _first(connection.execute(_one_reading(connection, sql)), limits)
    except duckdb.Error as error:
        raise QueryRejected(_sentence(error, limits)) from error


def _session(archives: Sequence[ArchiveRow], limits: Limits) -> duckdb.DuckDBPyConnection:
    """An empty database in memory that may read the archives; its settings cannot be changed."""
    paths = ", ".join("'" + row.path.replace("'", "''") + "'" for row in archives)
    connection = duckdb.connect()
    for statement in (
        f"SET memory_limit = '{limits.memory_megabytes}MiB'",
        "SET temp_directory = ''",
        f"SET allowed_paths = [{paths}]",
        "SET enable_external_access = false",
        "SET lock_configuration = true",
        f"CREATE VIEW nodes AS SELECT *, {Q_VALUE} AS q_value FROM read_parquet([{paths}])",  # noqa: S608
    ):
        connection.execute(statement)
    return connection


def _one_reading(connection: duckdb.DuckDBPyConnection, sql: str) -> duckdb.Statement:
    statements = connection.extract_statements(sql)
    if len(statements) != 1 or statements[0].type not in _READS:
        raise QueryRejected(
            "A query of the archives is one statement that reads: SELECT or EXPLAIN."
        )
    return statements[0]


@contextmanager
def _interrupted(connection: duckdb.DuckDBPyConnection, seconds: float) -> Iterator[None]:
    """Interrupt what the connection runs in this block after so many seconds."""
    timer = threading.Timer(min(seconds, threading.TIMEOUT_MAX), connection.interrupt)
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()
        timer.join()


def _first(cursor: duckdb.DuckDBPyConnection, limits: Limits) -> QueryResult:
    """Rows up to the limits; sizes are those of the values written as text."""
    columns = tuple(column[0] for column in cursor.description or ())
    rows: list[tuple[object, ...]] = []
    size = 0
    while (row := cursor.fetchone()) is not None:
        size += sum(len(str(value)) for value in row)
        if len(rows) == limits.rows:
            return QueryResult(
                columns, tuple(rows), cut=f"Only the first {limits.rows} rows are shown."
            )
        if size > limits.megabytes * 2**20:
            cut = f"Only the first {len(rows)} rows are shown: more than {limits.megabytes} MB."
            return QueryResult(columns, tuple(rows), cut=cut)
        rows.append(row)
    return QueryResult(columns, tuple(rows), cut="")


def _sentence(error: duckdb.Error, limits: Limits) -> str:
    """What a person needs to know of a refusal, in one sentence."""
    if isinstance(error, duckdb.InterruptException):
        return (
            f"The query was stopped after {limits.seconds:g} s. Ask for less, or allow it more "
            "time with --timeout."
        )
    if isinstance(error, duckdb.OutOfMemoryException):
        return (
            f"The query was stopped: it needs more than {limits.memory_megabytes} MB of memory. "
            "Collect fewer rows, or add a LIMIT."
        )
    return f"DuckDB refused the query: {' '.join(str(error).split())}"
