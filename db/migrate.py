"""Schema versions: a database is used only at the very version that this code was written for."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory

from db.errors import SchemaMismatch

if TYPE_CHECKING:
    from db.session import Database

ADVISORY_LOCK = 0x57E9F0
"""Key of the advisory lock under which migrations run."""

PARTITION_PREFIX = "nodes_round_"
MIGRATIONS = Path(__file__).resolve().parent.parent / "migrations"


def is_managed(name: str | None, kind: str, _parents: object) -> bool:
    """Whether Alembic compares this object: partitions belong to rounds, not to the schema."""
    return not (kind == "table" and name is not None and name.startswith(PARTITION_PREFIX))


def upgrade(database: Database) -> None:
    """Bring the database to this version's schema; from empty, this creates it."""
    with database.engine.connect() as connection:
        config = _config()
        config.attributes["connection"] = connection
        command.upgrade(config, "head")
        connection.commit()


def ensure(database: Database) -> None:
    """Create the schema in an empty database; otherwise insist on this version's.

    Raises:
        SchemaMismatch: the schema is older (says how to upgrade) or unknown to this version.
    """
    current = current_revision(database)
    script = ScriptDirectory.from_config(_config())
    head = script.get_current_head()
    if current == head:
        return
    if current is None:
        upgrade(database)
        return
    known = {revision.revision for revision in script.walk_revisions()}
    where = f"The database {database.display_url}"
    if current in known:
        raise SchemaMismatch(
            f"{where} has the older schema {current}; this version needs {head}. Make a backup, "
            "then run `stepforge db upgrade`."
        )
    raise SchemaMismatch(
        f"{where} has the schema {current}, which this version does not know: a newer "
        "Stepforge made it. Use that version, or another home folder (STEPFORGE_HOME)."
    )


def current_revision(database: Database) -> str | None:
    """The revision that the database is at; None where it holds no schema yet."""
    with database.begin() as connection:
        return MigrationContext.configure(connection).get_current_revision()


def _config() -> Config:
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    return config
