"""One way to hold work: claim, renew, fence, give back.

A row of work is done by whoever holds its newest lease token. `claim` raises the token, and every
write is guarded by it, so a row is done at most once however many workers believe that they hold
it. Rows that are held are locked in the order of their keys, so that two workers never wait for
each other in a circle.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Generic, TypeAlias, TypeVar

from sqlalchemy import text

from db.errors import LeaseLost
from db.records.leases import Key, Leased

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from sqlalchemy import Connection, Row, TextClause

    from db.session import Database

MAX_FAILURES = 5
"""Failures of an engine after which a piece of work is given up, without a label."""

COUNTS = """
    count(*) AS total,
    count(*) FILTER (WHERE status = 'done') AS done,
    count(*) FILTER (WHERE status = 'failed') AS failed,
    count(*) FILTER (WHERE status = 'leased' AND lease_expires_at >= now()) AS leased
"""
"""The columns of `WorkCounts`, for a query over a table of work."""

_NO_LEASE = "lease_owner = NULL, lease_expires_at = NULL"
_NEW_LEASE = "lease_expires_at = now() + make_interval(secs => :lease_seconds)"

Held = TypeVar("Held", bound=Leased)
Undo: TypeAlias = "Callable[[Connection, Held], None]"
"""What is changed together with a failure, in its transaction."""


@dataclass(frozen=True)
class LeaseTable(Generic[Held]):
    """The leases of one table of work. The names below are ours and become SQL as they are."""

    table: str
    keys: tuple[str, ...]
    """Key columns."""
    reading: str
    """What is read of claimed work: `SELECT ... FROM claimed AS w JOIN ...`."""
    read: Callable[[Row[tuple[object, ...]]], Held]
    """A row of `reading` as a record."""
    name: Callable[[Held], str]
    """How a piece of work is called in messages."""

    def claim(
        self, database: Database, round_id: int, *, owner: str, limit: int, lease_seconds: float
    ) -> list[Held]:
        """Lease up to `limit` pieces that are open or whose lease has expired, by key."""
        with database.begin() as connection:
            rows = connection.execute(
                self._claim,
                {
                    "round_id": round_id,
                    "limit": limit,
                    "owner": owner,
                    "lease_seconds": lease_seconds,
                },
            ).all()
        return sorted((self.read(row) for row in rows), key=lambda held: held.key)

    def renew(self, database: Database, held: Sequence[Held], *, lease_seconds: float) -> set[Key]:
        """Extend the leases that are still ours. Returns the keys of those that were lost."""
        with database.begin() as connection:
            rows = connection.execute(
                self._change(_NEW_LEASE), {**self._held(held), "lease_seconds": lease_seconds}
            )
            kept = {tuple(row) for row in rows}
        return {piece.key for piece in held} - kept

    def close(self, connection: Connection, piece: Held) -> None:
        """Note on the caller's transaction that a piece is done.

        Raises:
            LeaseLost: somebody claimed it since; the transaction must be rolled back.
        """
        rows = connection.execute(
            self._change(f"status = 'done', {_NO_LEASE}"), self._held([piece])
        )
        if len(rows.all()) != 1:
            raise self.lost(piece)

    def lost(self, piece: Held) -> LeaseLost:
        """What to say of a piece that somebody else has claimed."""
        return LeaseLost(
            f"{self.name(piece).capitalize()} was claimed by another worker after token "
            f"{piece.lease_token}; this result is dropped and nothing needs to be done."
        )

    def release(self, database: Database, held: Sequence[Held]) -> None:
        """Give work back unharmed, as a worker does that was told to stop."""
        with database.begin() as connection:
            connection.execute(self._change(f"status = 'open', {_NO_LEASE}"), self._held(held))

    def fail(
        self,
        database: Database,
        piece: Held,
        error: str,
        *,
        also: Undo[Held] | None = None,
    ) -> None:
        """Give a piece back after a failure of an engine; after too many it is given up.

        `also` changes what belongs to the piece in the same transaction, if it is still ours.
        """
        with database.begin() as connection:
            failed = connection.execute(
                self._change(
                    "status = CASE WHEN w.failures + 1 >= :most THEN 'failed' ELSE 'open' END"
                    f"::search_status, failures = w.failures + 1, last_error = :error, {_NO_LEASE}"
                ),
                {**self._held([piece]), "error": error, "most": MAX_FAILURES},
            )
            if also is not None and len(failed.all()) == 1:
                also(connection, piece)

    def reopen_failed(self, database: Database, round_id: int) -> int:
        """Open the given-up work of a round again. Returns how many pieces."""
        with database.begin() as connection:
            return connection.execute(
                text(
                    f"UPDATE {self.table} SET status = 'open', failures = 0 "  # noqa: S608
                    "WHERE round_id = :round_id AND status = 'failed'"
                ),
                {"round_id": round_id},
            ).rowcount

    def last_error(self, database: Database, round_id: int) -> str:
        """What the piece that failed most often failed of; empty where none did."""
        with database.begin() as connection:
            return (
                connection.execute(
                    text(
                        f"SELECT last_error FROM {self.table} "  # noqa: S608
                        "WHERE round_id = :round_id AND last_error IS NOT NULL "
                        f"ORDER BY failures DESC, {self._columns()} LIMIT 1"
                    ),
                    {"round_id": round_id},
                ).scalar_one_or_none()
                or ""
            )

    def owners(self, database: Database, round_id: int) -> list[str]:
        """Who holds leases in a round."""
        with database.begin() as connection:
            return list(
                connection.execute(
                    text(
                        f"SELECT DISTINCT lease_owner FROM {self.table} "  # noqa: S608
                        "WHERE round_id = :round_id AND status = 'leased'"
                    ),
                    {"round_id": round_id},
                ).scalars()
            )

    def release_owner(self, database: Database, round_id: int, owner: str) -> None:
        """Free what a dead worker held. Whoever claims it next fences that worker out."""
        with database.begin() as connection:
            connection.execute(
                text(
                    f"UPDATE {self.table} SET status = 'open', {_NO_LEASE} "  # noqa: S608
                    "WHERE round_id = :round_id AND status = 'leased' AND lease_owner = :owner"
                ),
                {"round_id": round_id, "owner": owner},
            )

    @cached_property
    def _claim(self) -> TextClause:
        return text(
            f"""
            WITH free AS (
                SELECT {self._columns()} FROM {self.table}
                WHERE round_id = :round_id
                  AND (status = 'open' OR (status = 'leased' AND lease_expires_at < now()))
                ORDER BY {self._columns()} LIMIT :limit FOR UPDATE SKIP LOCKED
            ), claimed AS (
                UPDATE {self.table} AS w
                SET status = 'leased', lease_token = w.lease_token + 1, lease_owner = :owner,
                    {_NEW_LEASE}
                FROM free WHERE {self._equal("w", "free")}
                RETURNING w.*
            )
            {self.reading}
            """  # noqa: S608
        )

    def _change(self, changes: str) -> TextClause:
        """Change the pieces that are still held under the given tokens; returns their keys."""
        arrays = ", ".join(f"CAST(:{column}s AS bigint[])" for column in (*self.keys, "token"))
        return text(
            f"""
            WITH held AS (
                SELECT {self._columns("w")} FROM {self.table} AS w
                JOIN unnest({arrays}) AS h ({self._columns()}, token)
                  ON {self._equal("w", "h")} AND w.lease_token = h.token
                WHERE w.status = 'leased' ORDER BY {self._columns("w")}
                FOR NO KEY UPDATE OF w
            )
            UPDATE {self.table} AS w SET {changes}
            FROM held WHERE {self._equal("w", "held")}
            RETURNING {self._columns("w")}
            """  # noqa: S608
        )

    def _held(self, held: Sequence[Held]) -> dict[str, object]:
        keys = {
            f"{column}s": [piece.key[place] for piece in held]
            for place, column in enumerate(self.keys)
        }
        return {**keys, "tokens": [piece.lease_token for piece in held]}

    def _columns(self, alias: str = "") -> str:
        return ", ".join(f"{alias}.{column}" if alias else column for column in self.keys)

    def _equal(self, one: str, other: str) -> str:
        return " AND ".join(f"{one}.{column} = {other}.{column}" for column in self.keys)
