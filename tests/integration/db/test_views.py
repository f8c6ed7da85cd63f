"""The stable views: described in full, and without a label of a search that is not done."""

from __future__ import annotations

from pathlib import Path

import pytest
from alembic import command
from sqlalchemy import text
from sqlalchemy.exc import ProgrammingError

from db import migrate, views
from db.errors import SchemaMismatch
from db.models import Base
from db.queries import mining, readonly, searches
from db.queries import views as view_queries
from db.session import Database
from services.cli.reference import page
from tests.factories import claimed, planned_round, result

PAGE = Path(__file__).resolve().parents[3] / "docs" / "database.md"


def test_every_view_and_each_of_its_columns_has_a_comment(database: Database) -> None:
    described = view_queries.described(database)
    assert [view.name for view in described] == list(views.NAMES)
    bare = [view.name for view in described if not view.comment]
    bare += [f"{v.name}.{c.name}" for v in described for c in v.columns if not c.comment]
    assert bare == []


def test_every_table_and_each_of_its_columns_has_a_comment() -> None:
    tables = Base.metadata.sorted_tables
    bare = [table.name for table in tables if not table.comment]
    bare += [f"{t.name}.{c.name}" for t in tables for c in t.columns if not c.comment]
    assert bare == []


def test_the_committed_page_is_what_the_command_prints(database: Database) -> None:
    printed = page(view_queries.described(database))
    assert PAGE.read_text(encoding="utf-8") == printed, (
        "run `stepforge db reference > docs/database.md`"
    )


@pytest.mark.parametrize("view", views.NAMES)
def test_the_reader_may_read_every_view(database: Database, view: str) -> None:
    answer = readonly.run(database, f"SELECT * FROM v1.{view}")
    assert answer.rows == ()


def test_only_done_searches_carry_labels(database: Database) -> None:
    this_round = planned_round(database, count=2)
    done, unfinished = claimed(database, this_round)
    searches.commit(database, done, result())
    with database.begin() as connection:
        # What an unfinished search has stored of its tree so far.
        connection.execute(
            text(
                "CREATE TEMP TABLE copied ON COMMIT DROP AS "
                "SELECT * FROM nodes WHERE search_id = :done"
            ),
            {"done": done.search_id},
        )
        connection.execute(
            text("UPDATE copied SET search_id = :unfinished"),
            {"unfinished": unfinished.search_id},
        )
        columns = ", ".join(c.name for c in Base.metadata.tables["nodes"].c if not c.computed)
        connection.execute(text(f"INSERT INTO nodes ({columns}) SELECT {columns} FROM copied"))
    answer = readonly.run(
        database,
        "SELECT search_id, count(*) FROM v1.steps GROUP BY search_id",
    )
    assert answer.rows == ((done.search_id, 5),)


def test_a_pair_comes_with_both_texts(database: Database) -> None:
    this_round = planned_round(database, count=1)
    (search,) = claimed(database, this_round)
    searches.commit(database, search, result())
    mining.mine(database, this_round.id)
    answer = readonly.run(
        database,
        "SELECT kind::text, depth, chosen_text, rejected_text, margin FROM v1.pairs ORDER BY depth",
    )
    assert answer.rows == (
        ("step", 1, "step 1\n<end_of_step>", "step 2\n<end_of_step>", 2.0),
        ("answer", 2, "answer 3", "answer 4", 2.0),
    )


def test_views_of_another_version_are_set_up_anew(database: Database) -> None:
    with database.begin() as connection:
        connection.execute(text("COMMENT ON SCHEMA v1 IS 'of another version'"))
        connection.execute(text("DROP VIEW v1.costs"))
        connection.execute(text("CREATE VIEW v1.gone AS SELECT 1 AS one"))
    migrate.ensure(database)
    assert [view.name for view in view_queries.described(database)] == list(views.NAMES)


def test_a_view_of_ones_own_stops_the_upgrade_by_its_name(database: Database) -> None:
    with database.begin() as connection:
        connection.execute(text("CREATE VIEW mine AS SELECT run FROM v1.rounds"))
    with pytest.raises(SchemaMismatch, match="view mine depends on"):
        migrate.upgrade(database)
    with database.begin() as connection:
        assert list(connection.execute(text("SELECT * FROM mine"))) == []
        connection.execute(text("DROP VIEW mine"))
    migrate.upgrade(database)


def test_the_views_are_absent_below_the_head(empty_database: Database) -> None:
    """A migration may change any column: no view holds it fast."""
    migrate.ensure(empty_database)
    with empty_database.engine.connect() as connection:
        config = migrate._config()
        config.attributes["connection"] = connection
        command.downgrade(config, "-1")
    with (
        pytest.raises(ProgrammingError, match="does not exist"),
        empty_database.begin() as connection,
    ):
        connection.execute(text("SELECT * FROM v1.rounds"))
