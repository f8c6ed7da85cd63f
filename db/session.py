"""The one way to the database: short transactions on a pooled connection.

No transaction is held across a call to a model or a sandbox: `Database.begin` is used only inside
`db.queries` and `db.bulk`, whose functions do nothing but SQL.
"""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

import psycopg
from sqlalchemy import create_engine, make_url
from sqlalchemy.exc import DBAPIError

from db.errors import DatabaseError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from psycopg import Connection as PsycopgConnection
    from sqlalchemy import Connection, Engine


class Database:
    """A pool of connections to one Postgres database. Safe to share between threads."""

    def __init__(self, url: str, *, pool_size: int = 5) -> None:
        """`url` is a libpq URL: postgresql://user:password@host/database."""
        self.url = url
        self._engine: Engine = create_engine(
            sqlalchemy_url(url),
            pool_size=pool_size,
            pool_pre_ping=True,
            connect_args={"application_name": "stepforge", "connect_timeout": 10},
        )

    @contextmanager
    def begin(self) -> Iterator[Connection]:
        """A transaction: committed at the end, rolled back when anything raises.

        Raises:
            DatabaseError: Postgres cannot be reached, or its disk is full.
        """
        try:
            with self._engine.begin() as connection:
                yield connection
        except DBAPIError as error:
            raise _translated(error, error.orig, self.display_url) from error
        except psycopg.Error as error:  # from COPY, which SQLAlchemy does not know
            raise _translated(error, error, self.display_url) from error

    @property
    def display_url(self) -> str:
        """The URL without its password, for messages."""
        return display_url(self.url)

    @property
    def engine(self) -> Engine:
        """For Alembic, which manages its own transactions."""
        return self._engine

    def close(self) -> None:
        """Close every pooled connection."""
        self._engine.dispose()


def raw(connection: Connection) -> PsycopgConnection[tuple[object, ...]]:
    """The driver's connection, in the same transaction: for COPY, and for SQL taken as it is."""
    driver: PsycopgConnection[tuple[object, ...]] = connection.connection.driver_connection  # type: ignore[assignment]
    return driver


def sqlalchemy_url(url: str) -> str:
    """The same URL with the name of the psycopg 3 driver in it."""
    for scheme in ("postgresql://", "postgres://"):
        if url.startswith(scheme):
            return "postgresql+psycopg://" + url.removeprefix(scheme)
    return url


def display_url(url: str) -> str:
    """A URL of a database, broker or server without its password."""
    return make_url(url).render_as_string(hide_password=True)


def _translated(error: Exception, cause: BaseException | None, url: str) -> Exception:
    """A sentence for what a user can mend; anything else stays the driver's own error."""
    state = getattr(cause, "sqlstate", None)
    if state == "53100":
        return DatabaseError(
            f"The disk of the database {url} is full. Free some space and run the command again; "
            "what was committed before is safe."
        )
    if isinstance(cause, psycopg.OperationalError) and (state is None or state.startswith("08")):
        return DatabaseError(
            f"The database {url} cannot be reached: {str(cause).strip()}. Start it with "
            "`stepforge up`, or correct STEPFORGE_DATABASE_URL."
        )
    return error
