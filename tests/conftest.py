"""Fixtures that every test may use: engines by marker, and a real Postgres."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from db import migrate
from db.session import Database
from services.embedded import postgres
from services.embedded.home import open_home
from tests import engines

_numbers = itertools.count(1)


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
    database.close()
    yield url
    postgres.stop(home)


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
