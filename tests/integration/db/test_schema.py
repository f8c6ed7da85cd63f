"""The schema: made from empty, equal to the models, taken down again, never used when older."""

from __future__ import annotations

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import text

from db import bulk, migrate
from db.errors import DatabaseError, SchemaMismatch
from db.models import Base
from db.queries import integrity, runs
from db.session import Database
from db.vocabulary import StageName
from tests.factories import claimed, planned_round, result, stored_run

SCRIPT = ScriptDirectory.from_config(migrate._config())
HEAD = SCRIPT.get_current_head()


def test_an_empty_database_gets_the_schema(empty_database: Database) -> None:
    assert migrate.current_revision(empty_database) is None
    migrate.ensure(empty_database)
    assert migrate.current_revision(empty_database) == HEAD


def test_the_files_of_the_migrations_say_their_order() -> None:
    newest_first = [revision.revision for revision in SCRIPT.walk_revisions()]
    assert migrate.revisions() == newest_first[::-1]


def test_the_migrations_make_exactly_what_the_models_say(database: Database) -> None:
    planned_round(database)  # its partition must not count as a difference
    with database.engine.connect() as connection:
        context = MigrationContext.configure(
            connection, opts={"include_name": migrate.is_managed, "compare_server_default": True}
        )
        assert compare_metadata(context, Base.metadata) == []


def test_a_downgrade_leaves_nothing_behind(database: Database) -> None:
    with database.engine.connect() as connection:
        config = migrate._config()
        config.attributes["connection"] = connection
        command.downgrade(config, "base")
        connection.commit()
    with database.begin() as connection:
        left = connection.execute(
            text(
                "SELECT count(*) FROM pg_class WHERE relnamespace = 'public'::regnamespace "
                "AND relname <> 'alembic_version' AND relname <> 'alembic_version_pkc'"
            )
        ).scalar_one()
        types = connection.execute(
            text("SELECT count(*) FROM pg_type WHERE typtype = 'e'")
        ).scalar_one()
    assert (left, types) == (0, 0)


def test_the_nodes_of_an_older_schema_are_kept(database: Database) -> None:
    this_round = planned_round(database, count=2)
    bulk.commit_trees(database, [(search, result()) for search in claimed(database, this_round)])
    with database.begin() as connection:
        before = list(bulk.read_trees(connection, this_round.id))
    with database.engine.connect() as connection:
        config = migrate._config()
        config.attributes["connection"] = connection
        command.downgrade(config, "0005")
    migrate.upgrade(database)
    with database.begin() as connection:
        assert list(bulk.read_trees(connection, this_round.id)) == before
    assert integrity.violations(database) == []


def test_the_stages_of_an_older_schema_are_kept(database: Database) -> None:
    run = stored_run(database)
    for name in StageName:
        runs.begin_stage(database, run_id=run.id, round_number=1, name=name)
        runs.end_stage(database, run_id=run.id, round_number=1, name=name, done=True)
    with database.engine.connect() as connection:
        config = migrate._config()
        config.attributes["connection"] = connection
        command.downgrade(config, "0011")
    migrate.upgrade(database)
    for name in StageName:
        assert runs.stage_is_done(database, run_id=run.id, round_number=1, name=name)


def test_an_unknown_schema_is_refused_with_the_remedy(database: Database) -> None:
    with database.begin() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    with pytest.raises(SchemaMismatch, match="a newer Stepforge made it"):
        migrate.ensure(database)


def test_an_older_schema_is_refused_with_the_remedy(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    newer = [*migrate.revisions(), "9999"]
    monkeypatch.setattr(migrate, "revisions", lambda: newer)
    with pytest.raises(SchemaMismatch, match="run `stepforge db upgrade`"):
        migrate.ensure(database)


def test_a_server_that_is_not_there_is_named() -> None:
    missing = Database("postgresql://postgres:secret@127.0.0.1:1/postgres")
    with pytest.raises(DatabaseError, match="cannot be reached") as caught:
        migrate.ensure(missing)
    assert "secret" not in str(caught.value)
