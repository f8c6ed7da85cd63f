"""SQL over archived rounds: DuckDB reads their Parquet files where they lie."""

from __future__ import annotations

from typing import TYPE_CHECKING

import duckdb

from db.errors import QueryRejected
from db.queries.readonly import QueryResult
from services.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from db.records.archives import ArchiveRow

_Q_VALUE = "value_sum / greatest(visit_count + (prior IS NOT NULL)::int, 1) AS q_value"


def ask(archives: Sequence[ArchiveRow], sql: str, *, max_rows: int) -> QueryResult:
    """Run one query over the view `nodes`, which is every archived node with its q_value.

    It can read those files and nothing else of this machine, and write nowhere.

    Raises:
        ConfigurationError: nothing is archived.
        QueryRejected: the query is wrong; with what DuckDB says.
    """
    if not archives:
        raise ConfigurationError(
            "No round is archived. `stepforge rounds archive RUN NUMBER` archives one."
        )
    paths = ", ".join("'" + row.path.replace("'", "''") + "'" for row in archives)
    try:
        with duckdb.connect() as connection:
            connection.execute(f"SET allowed_paths = [{paths}]")
            connection.execute("SET enable_external_access = false")
            connection.execute("SET lock_configuration = true")
            connection.execute(
                f"CREATE VIEW nodes AS SELECT *, {_Q_VALUE} FROM read_parquet([{paths}])"  # noqa: S608
            )
            cursor = connection.execute(sql)
            rows = cursor.fetchmany(max_rows + 1)
            columns = tuple(column[0] for column in cursor.description or ())
    except duckdb.Error as error:
        raise QueryRejected(f"DuckDB refused the query: {error}") from error
    cut = f"Only the first {max_rows} rows are shown." if len(rows) > max_rows else ""
    return QueryResult(columns, tuple(rows[:max_rows]), cut=cut)
