"""Schema versions: a database is used only at the very version that this code was written for.

A migration's file begins with its revision, so that a database at the newest one, which every
command finds, is told without Alembic.
"""

from __future__ import annotations

from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from psycopg.errors import DependentObjectsStillExist
from sqlalchemy import text

from db import locks, reader, views
from db.errors import SchemaMismatch

if TYPE_CHECKING:
    from collections.abc import Iterator

    from alembic.config import Config
    from sqlalchemy import Connection

    from db.session import Database

PARTITION_PREFIX = "nodes_round_"
MIGRATIONS = Path(__file__).resolve().parent.parent / "migrations"


def is_managed(name: str | None, kind: str, _parents: object) -> bool:
    """Whether Alembic compares this object: partitions belong to rounds, not to the schema."""
    return not (kind == "table" and name is not None and name.startswith(PARTITION_PREFIX))


@contextmanager
def one_at_a_time(connection: Connection) -> Iterator[None]:
    """Hold the lock of migrations over several transactions of this connection.

    Two processes may start at once; the second waits here and then finds nothing to do. A migration
    must rather fail than queue every query of a live database behind its own lock.
    """
    connection.exec_driver_sql("SET lock_timeout = '30s'")
    try:
        with locks.held(connection, locks.Work.MIGRATING):
            yield
    finally:
        connection.exec_driver_sql("RESET lock_timeout")
        connection.commit()


def upgrade(database: Database) -> None:
    """Bring the database to this version's schema; from empty, this creates it.

    Raises:
        SchemaMismatch: views outside of the schema `v1` build on those in it.
    """
    from alembic import command

    with _naming_dependents(), database.engine.connect() as connection:
        config = _config()
        config.attributes["connection"] = connection
        command.upgrade(config, "head")


def set_up_views(database: Database) -> None:
    """Bring the views and the reader's rights to this version's, in one transaction.

    The schema must be at its head.
    """
    with (
        _naming_dependents(),
        database.engine.connect() as connection,
        one_at_a_time(connection),
    ):
        if not _is_set_up(connection):
            views.install(connection)
            reader.admit(connection)
        connection.commit()


def ensure(database: Database) -> None:
    """Create the schema in an empty database; otherwise insist on this version's.

    Raises:
        SchemaMismatch: the schema is older (says how to upgrade) or unknown to this version.
    """
    current = current_revision(database)
    known = revisions()
    if current == known[-1]:
        with database.begin() as connection:
            is_current = _is_set_up(connection)
        if not is_current:
            set_up_views(database)
        return
    if current is None:
        upgrade(database)
        return
    where = f"The database {database.display_url}"
    if current in known:
        raise SchemaMismatch(
            f"{where} has the older schema {current}; this version needs {known[-1]}. Make a "
            "backup, then run `stepforge db upgrade`."
        )
    raise SchemaMismatch(
        f"{where} has the schema {current}, which this version does not know: a newer "
        "Stepforge made it. Use that version, or another home folder (STEPFORGE_HOME)."
    )


def _is_set_up(connection: Connection) -> bool:
    return views.are_current(connection) and reader.is_admitted(connection)


def current_revision(database: Database) -> str | None:
    """The revision that the database is at; None where it holds no schema yet."""
    with database.begin() as connection:
        if connection.execute(text("SELECT to_regclass('alembic_version')")).scalar_one() is None:
            return None
        stored: str | None = connection.execute(
            text("SELECT version_num FROM alembic_version")
        ).scalar_one_or_none()
        return stored


def revisions() -> list[str]:
    """Every revision of the schema, the oldest first."""
    files = (MIGRATIONS / "versions").glob("[0-9]*_*.py")
    return sorted(path.name.partition("_")[0] for path in files)


@contextmanager
def _naming_dependents() -> Iterator[None]:
    try:
        yield
    except DependentObjectsStillExist as error:
        raise SchemaMismatch(
            f"Objects of your own build on the views of the schema {views.SCHEMA}, which this "
            f"version changes: {error.diag.message_detail}. Drop them, run `stepforge db "
            "upgrade`, and make them again."
        ) from error


def _config() -> Config:
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    return config
