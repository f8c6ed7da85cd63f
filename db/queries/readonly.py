"""A user's own SQL: one statement, read-only, bounded in time, space and rows, without privileges.

Locks, each of which alone would do for honest mistakes: only a statement that reads is taken; it
runs in a READ ONLY transaction; in a session that logged in as a role that may SELECT and nothing
else (`db.reader`); and through the extended protocol, in which Postgres refuses a second statement.
"""

from __future__ import annotations

import re
from contextlib import closing
from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

import psycopg
from psycopg import errors

from db import backend_memory, reader
from db.errors import DatabaseError, QueryRejected

if TYPE_CHECKING:
    from collections.abc import Generator, Iterable, Mapping

    from db.session import Database

_READS = re.compile(
    r"(?:\s|\(|--[^\n]*\n|/\*.*?\*/)*(select|with|table|values|explain|show)\b",
    re.IGNORECASE | re.DOTALL,
)


_MOST_MILLISECONDS = 2**31 - 1
"""What Postgres counts a time-out in: some 24 days."""


@dataclass(frozen=True, slots=True)
class Limits:
    """How much a query may take: wall time, rows, bytes of what it returns, and memory to run in.

    The memory is the engine's: of Postgres' processes where they run on this machine
    (`db.backend_memory`), or of DuckDB.
    """

    seconds: float = 60.0
    rows: int = 1000
    megabytes: int = 64
    memory_megabytes: int = 1024


@dataclass(frozen=True, slots=True)
class QueryResult:
    """The first rows of an answer. `cut` says why there are no more; empty: these are all."""

    columns: tuple[str, ...]
    rows: tuple[tuple[object, ...], ...]
    cut: str


def run(
    database: Database,
    sql: str,
    parameters: Mapping[str, object] | None = None,
    *,
    limits: Limits | None = None,
) -> QueryResult:
    """Run one read-only statement; its placeholders, if any, are psycopg's `%(name)s`.

    Raises:
        QueryRejected: it would write, is not one statement, takes too long or too much space, or
            is wrong; one sentence, with what Postgres says.
        DatabaseError: the reader cannot log in.
    """
    limits = limits or Limits()
    if _READS.match(sql) is None:
        raise QueryRejected(
            "A query is one statement that reads: SELECT, WITH, TABLE, VALUES, EXPLAIN or SHOW."
        )
    with (
        _session(database, limits) as connection,
        backend_memory.limited(connection, limits.memory_megabytes) as memory,
    ):
        try:
            # Streaming takes the extended protocol and never more rows than are wanted.
            cursor = connection.cursor()
            rows = cast("Generator[tuple[object, ...]]", cursor.stream(sql.encode(), parameters))
            # A stream holds its connection until it is closed.
            with closing(rows):
                found = _first(cursor, rows, limits)
            return found if found.columns else _described(cursor, sql, parameters)
        except psycopg.Error as error:
            if memory.exceeded:
                raise QueryRejected(
                    f"The query was stopped: it took more than {limits.memory_megabytes} MB of the "
                    "server's memory. Collect fewer rows: name a round or a search, or add a LIMIT."
                ) from error
            raise QueryRejected(_sentence(error, limits)) from error


def _session(database: Database, limits: Limits) -> psycopg.Connection[tuple[object, ...]]:
    """A new session of the reader, in a transaction that is rolled back when it ends."""
    try:
        connection = psycopg.connect(
            reader.url(database.url), connect_timeout=10, application_name="stepforge query"
        )
    except psycopg.OperationalError as error:
        raise DatabaseError(
            f"The role {reader.ROLE} cannot log in to {database.display_url}: "
            f"{_one_line(str(error))}. Queries run under this role only: run `stepforge db "
            "upgrade`, and let the role log in with a password (pg_hba.conf)."
        ) from error
    connection.read_only = True
    milliseconds = int(min(max(1.0, limits.seconds * 1000), _MOST_MILLISECONDS))
    connection.execute(f"SET LOCAL statement_timeout = {milliseconds}".encode())
    return connection


def _first(
    cursor: psycopg.Cursor[tuple[object, ...]],
    rows: Iterable[tuple[object, ...]],
    limits: Limits,
) -> QueryResult:
    """Rows up to the limits."""
    taken: list[tuple[object, ...]] = []
    size = 0
    cut = ""
    for row in rows:
        columns = range(len(row))
        result = cursor.pgresult
        size += sum(len(result.get_value(0, column) or b"") for column in columns) if result else 0
        if len(taken) == limits.rows:
            cut = f"Only the first {limits.rows} rows are shown; there are more."
            break
        if size > limits.megabytes * 2**20:
            cut = f"Only the first {len(taken)} rows are shown: more than {limits.megabytes} MB."
            break
        taken.append(row)
    columns_found = tuple(column.name for column in cursor.description or ())
    return QueryResult(columns_found, tuple(taken), cut)


def _described(
    cursor: psycopg.Cursor[tuple[object, ...]],
    sql: str,
    parameters: Mapping[str, object] | None,
) -> QueryResult:
    """An answer without rows: a stream says its columns with the first one only."""
    statement = sql.rstrip().rstrip(";")
    # As the reader and as one statement, like the query itself.
    nothing = f"SELECT * FROM (\n{statement}\n) AS answer LIMIT 0"  # noqa: S608
    cursor.execute(nothing.encode(), parameters)
    return QueryResult(tuple(column.name for column in cursor.description or ()), (), "")


def _sentence(error: psycopg.Error, limits: Limits) -> str:
    """What a person needs to know of a refusal, in one sentence."""
    said = _one_line(error.diag.message_primary or str(error))
    if isinstance(error, errors.QueryCanceled):
        return (
            f"The query was stopped after {limits.seconds:g} s. Name a round or a search, or allow "
            "it more time with --timeout."
        )
    if isinstance(error, errors.ConfigurationLimitExceeded):
        return (
            f"The query was stopped: it needs more than {reader.MOST_TEMPORARY} of temporary space "
            f"({said}). Name a round, or add a LIMIT."
        )
    if isinstance(error, errors.InsufficientPrivilege | errors.ReadOnlySqlTransaction):
        return f"A query may only read what Stepforge stores: {said}."
    hint = f" {_one_line(error.diag.message_hint)}" if error.diag.message_hint else ""
    where = f" (at character {error.diag.statement_position})" if _is_placed(error) else ""
    return f"Postgres refused the query: {said}{where}.{hint}"


def _is_placed(error: psycopg.Error) -> bool:
    return error.diag.statement_position is not None


def _one_line(said: str) -> str:
    return " ".join(said.split()).rstrip(".")
