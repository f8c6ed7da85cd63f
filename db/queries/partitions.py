"""Where the nodes of a round are: attached to `nodes`, detached beside it, or archived in a file.

What is attached and what is detached is read from Postgres' own catalog, so that no row of ours can
disagree with it. A round is in exactly one of the three states at the end of every transaction.
"""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from sqlalchemy import text

from db import locks
from db.bulk import NODE_COLUMNS
from db.errors import RoundBusy
from db.migrate import PARTITION_PREFIX
from db.records.archives import ArchiveRow, RoundNodes
from db.session import raw
from db.vocabulary import NodesState

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from sqlalchemy import Connection

    from db.session import Database

COLUMNS = tuple(name for name, _ in NODE_COLUMNS)
_NAMES = ", ".join(COLUMNS)
_WORDS = ("kind", "outcome", "terminal_reason", "verdict")
_READ = ", ".join(f"{name}::text" if name in _WORDS else name for name in COLUMNS)

_ROUNDS = text(
    """
    SELECT r.id AS round_id, u.name AS run, r.number, r.finished_at IS NOT NULL AS finished,
           CASE WHEN a.round_id IS NOT NULL THEN 'archived'
                WHEN c.relispartition THEN 'attached'
                WHEN c.oid IS NOT NULL THEN 'detached' ELSE 'lost' END AS state,
           coalesce((
               SELECT sum(s.node_count)::bigint FROM searches AS s WHERE s.round_id = r.id
           ), 0) AS nodes,
           coalesce(a.file_bytes, pg_total_relation_size(c.oid), 0) AS stored_bytes, a.path
    FROM rounds AS r
    JOIN runs AS u ON u.id = r.run_id
    LEFT JOIN archives AS a ON a.round_id = r.id
    LEFT JOIN pg_class AS c ON c.relname = :prefix || r.id AND c.relkind = 'r'
                           AND c.relnamespace = 'public'::regnamespace
    WHERE CAST(:round_id AS bigint) IS NULL OR r.id = :round_id
    ORDER BY u.id, r.number
    """
)


@contextmanager
def alone(database: Database, round_id: int) -> Iterator[Connection]:
    """Hold the round's nodes while they are moved, on a connection that commits each statement.

    Raises:
        RoundBusy: another process moves them now.
    """
    with (
        database.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection,
        locks.held_if_free(connection, locks.Work.MOVING, round_id) as is_ours,
    ):
        if not is_ours:
            raise RoundBusy(
                f"Another process moves the nodes of round {round_id} now. Wait for it to end."
            )
        try:
            # A query that holds the partition is waited for, but not without end.
            connection.exec_driver_sql("SET lock_timeout = '30s'")
            yield connection
        finally:
            connection.exec_driver_sql("RESET lock_timeout")


def rounds(database: Database) -> list[RoundNodes]:
    """Every round with the place of its nodes, by run and number."""
    with database.begin() as connection:
        return _rounds(connection, None)


def of_round(connection: Connection, round_id: int) -> RoundNodes:
    """Where the nodes of one round are now."""
    return _rounds(connection, round_id)[0]


def unfinished(database: Database, round_id: int) -> int:
    """How many searches of a round are still to be done."""
    with database.begin() as connection:
        count: int = connection.execute(
            text(
                "SELECT count(*) FROM searches "
                "WHERE round_id = :round_id AND status IN ('open', 'leased')"
            ),
            {"round_id": round_id},
        ).scalar_one()
    return count


def detach(connection: Connection, round_id: int) -> None:
    """Take the partition out of `nodes` without stopping queries on the other rounds.

    Needs a connection that commits each statement. One that was cut half-way is finished.
    """
    pending = connection.execute(
        text("SELECT inhdetachpending FROM pg_inherits WHERE inhrelid = CAST(:name AS regclass)"),
        {"name": partition(round_id)},
    ).scalar_one_or_none()
    how = "FINALIZE" if pending else "CONCURRENTLY"
    connection.exec_driver_sql(f"ALTER TABLE nodes DETACH PARTITION {partition(round_id)} {how}")


def attach(connection: Connection, round_id: int) -> None:
    """Put a detached table back; its CHECK of round_id spares Postgres a scan."""
    connection.exec_driver_sql(
        f"ALTER TABLE nodes ATTACH PARTITION {partition(round_id)} FOR VALUES IN ({int(round_id)})"
    )


def read(
    connection: Connection, round_id: int, *, batch: int
) -> Iterator[list[tuple[object, ...]]]:
    """The rows of `COLUMNS` of a detached round, in the order of the key, some at a time.

    Memory holds one batch. Needs a transaction.
    """
    with raw(connection).cursor(name="archive", binary=True) as cursor:
        cursor.execute(
            f"SELECT {_READ} FROM {partition(round_id)} ORDER BY search_id, node_no".encode()  # noqa: S608
        )
        while rows := cursor.fetchmany(batch):
            yield rows


def restore(
    connection: Connection, round_id: int, batches: Iterable[Sequence[tuple[object, ...]]]
) -> int:
    """Make the round's detached table again and fill it. Returns how many nodes it got."""
    name = partition(round_id)
    count = 0
    connection.exec_driver_sql(f"CREATE TABLE {name} (LIKE nodes INCLUDING ALL)")
    connection.exec_driver_sql(
        f"ALTER TABLE {name} ADD CONSTRAINT {name}_round CHECK (round_id = {int(round_id)})"
    )
    with (
        raw(connection).cursor() as cursor,
        cursor.copy(f"COPY {name} ({_NAMES}) FROM STDIN (FORMAT BINARY)".encode()) as copy,
    ):
        copy.set_types([kind for _, kind in NODE_COLUMNS])
        for rows in batches:
            count += len(rows)
            for row in rows:
                copy.write_row(row)
    return count


def record_archive(connection: Connection, archive: ArchiveRow) -> None:
    """Note the file that holds a round's nodes, and drop the table that did."""
    connection.execute(
        text(
            "INSERT INTO archives (round_id, path, node_count, file_bytes, sha256) "
            "VALUES (:round_id, :path, :node_count, :file_bytes, :sha256)"
        ),
        {
            "round_id": archive.round_id,
            "path": archive.path,
            "node_count": archive.node_count,
            "file_bytes": archive.file_bytes,
            "sha256": archive.sha256,
        },
    )
    connection.exec_driver_sql(f"DROP TABLE {partition(archive.round_id)}")


def forget_archive(connection: Connection, round_id: int) -> None:
    """The round's nodes are in Postgres again."""
    connection.execute(
        text("DELETE FROM archives WHERE round_id = :round_id"), {"round_id": round_id}
    )


def archives(database: Database) -> list[ArchiveRow]:
    """Every archived round's file."""
    with database.begin() as connection:
        rows = connection.execute(
            text("SELECT round_id, path, node_count, file_bytes, sha256 FROM archives ORDER BY 1")
        )
        return [ArchiveRow(**row._mapping) for row in rows]


def partition(round_id: int) -> str:
    """The name of the table that holds a round's nodes."""
    return f"{PARTITION_PREFIX}{int(round_id)}"


def _rounds(connection: Connection, round_id: int | None) -> list[RoundNodes]:
    rows = connection.execute(_ROUNDS, {"prefix": PARTITION_PREFIX, "round_id": round_id})
    return [
        RoundNodes(
            round_id=row.round_id,
            run=row.run,
            number=row.number,
            finished=row.finished,
            state=NodesState(row.state),
            nodes=row.nodes,
            stored_bytes=row.stored_bytes,
            path=row.path,
        )
        for row in rows
    ]
