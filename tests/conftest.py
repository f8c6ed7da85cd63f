"""Fixtures that every test may use: engines by marker, and a real Postgres."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from sqlalchemy import Engine, event, text

from db import migrate
from db.session import Database
from services.embedded import postgres
from services.embedded.home import open_home
from tests import engines

IDS_APART = 1_000_000
"""Between the first ids of two tables in the database of a test."""
_numbers = itertools.count(1)


@event.listens_for(Engine, "after_cursor_execute")
def no_two_columns_have_one_name(
    _connection: object, cursor: psycopg.Cursor, statement: str, *_: object
) -> None:
    """A row that is read by such a name gives the value of either column."""
    twice = [
        name
        for name, count in Counter(column.name for column in cursor.description or ()).items()
        if count > 1
    ]
    assert not twice, f"two columns are called {twice[0]} in: {statement}"


def pytest_runtest_setup(item: pytest.Item) -> None:
    for marker in item.iter_markers("engine"):
        (name,) = marker.args
        reason = engines.why_absent(name)
        if reason is None:
            continue
        if name in engines.required():
            pytest.fail(f"STEPFORGE_REQUIRE names {name}, but {reason}", pytrace=False)
        pytest.skip(f"needs {name}: {reason}")


@pytest.fixture(scope="session")
def postgres_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """An embedded server for the whole session; its database `postgres` holds the schema.

    It does not wait for the disk: that guards against a loss of power, which no test is about.
    """
    home = open_home(tmp_path_factory.mktemp("home"))
    url = postgres.start(home)
    with psycopg.connect(url, autocommit=True) as admin:
        admin.execute("ALTER SYSTEM SET fsync = off")
        admin.execute("SELECT pg_reload_conf()")
    database = Database(url)
    migrate.ensure(database)
    _start_ids_far_apart(database)
    database.close()
    yield url
    postgres.stop(home)


def _start_ids_far_apart(database: Database) -> None:
    """No id of one table is ever one of another, so that an id of the wrong table finds nothing."""
    with database.begin() as connection:
        sequences = connection.execute(
            text("SELECT sequencename FROM pg_sequences WHERE schemaname = 'public' ORDER BY 1")
        ).scalars()
        for number, sequence in enumerate(sequences.all(), start=1):
            connection.exec_driver_sql(
                f'ALTER SEQUENCE "{sequence}" RESTART WITH {number * IDS_APART}'
            )


@pytest.fixture
def empty_database(postgres_url: str) -> Iterator[Database]:
    """A database without a schema."""
    database = new_database(postgres_url, template="template0")
    yield database
    database.close()


@pytest.fixture
def database(postgres_url: str) -> Iterator[Database]:
    """A database with the schema and nothing in it."""
    database = new_database(postgres_url, template="postgres")
    yield database
    database.close()


@pytest.fixture
def shared_data() -> Path:
    """The folder of the public problem sets, where a checkout has one beside it."""
    folder = Path(__file__).resolve().parents[2] / "shared" / "data"
    if not folder.is_dir():
        pytest.skip(f"the public problem sets are not at {folder}")
    return folder


def new_database(server_url: str, *, template: str) -> Database:
    """A new database of the session's server: `template0` is empty, `postgres` has the schema."""
    name = f"test_{next(_numbers)}"
    with psycopg.connect(server_url.replace("/postgres?", "/template1?"), autocommit=True) as admin:
        admin.execute(f"CREATE DATABASE {name} TEMPLATE {template}")
    return Database(server_url.replace("/postgres?", f"/{name}?"))
