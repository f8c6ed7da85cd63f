"""A user's own SQL: one statement, read-only, bounded in time and rows, without privileges.

Four locks, each of which alone would do for honest mistakes: only a statement that reads is taken,
it runs in a READ ONLY transaction, under a role that may SELECT and nothing else, and through the
extended protocol, in which Postgres refuses a second statement.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING

import psycopg

from db.errors import QueryRejected

if TYPE_CHECKING:
    from db.session import Database


READER_ROLE = "stepforge_reader"
_READS = re.compile(
    r"(?:\s|\(|--[^\n]*\n|/\*.*?\*/)*(select|with|table|values|explain|show)\b",
    re.IGNORECASE | re.DOTALL,
)


@dataclass(frozen=True, slots=True)
class QueryResult:
    columns: tuple[str, ...]
    rows: tuple[tuple[object, ...], ...]
    truncated: bool


def run(database: Database, sql: str, *, timeout_seconds: float, max_rows: int) -> QueryResult:
    """Run one read-only statement.

    Raises:
        QueryRejected: it would write, is not one statement, takes too long, or is wrong; with what
            Postgres says.
    """
    if _READS.match(sql) is None:
        raise QueryRejected(
            "`stepforge query` takes one statement that reads: SELECT, WITH, TABLE, VALUES, "
            "EXPLAIN or SHOW."
        )
    try:
        with psycopg.connect(database.url, autocommit=False) as connection:
            connection.read_only = True
            milliseconds = int(timeout_seconds * 1000)
            connection.execute(f"SET LOCAL statement_timeout = {milliseconds}")
            connection.execute(f"SET LOCAL ROLE {READER_ROLE}")
            # Streaming takes the extended protocol and never more rows than are wanted.
            cursor = connection.cursor()
            rows = list(islice(cursor.stream(sql.encode()), max_rows + 1))
            columns = tuple(column.name for column in cursor.description or ())
            connection.rollback()
    except psycopg.Error as error:
        raise QueryRejected(f"Postgres refused the query: {str(error).strip()}") from error
    return QueryResult(columns, tuple(rows[:max_rows]), truncated=len(rows) > max_rows)
