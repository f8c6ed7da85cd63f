"""A user's SQL can read everything and change nothing, however hostile it is."""

from __future__ import annotations

from collections.abc import Iterator

import psycopg
import pytest
from sqlalchemy import text

from db import migrate, reader
from db.errors import DatabaseError, QueryRejected
from db.queries import readonly, searches
from db.queries.readonly import Limits, QueryResult
from db.session import Database
from tests.conftest import new_database
from tests.factories import claimed, planned_round, result


@pytest.fixture(scope="module")
def database(postgres_url: str) -> Iterator[Database]:
    """One for all of these: whoever only reads leaves nothing behind."""
    database = new_database(postgres_url, template="postgres")
    yield database
    database.close()


def ask(database: Database, sql: str, *, seconds: float = 5, rows: int = 10) -> QueryResult:
    return readonly.run(database, sql, limits=Limits(seconds=seconds, rows=rows))


def as_reader(database: Database) -> psycopg.Connection[tuple[object, ...]]:
    """A session of the role alone, without the other locks."""
    return psycopg.connect(
        reader.url(database.url),
        autocommit=True,
        options="-c default_transaction_read_only=off -c statement_timeout=20s",
    )


def test_rows_come_with_their_column_names(database: Database) -> None:
    answer = ask(database, "SELECT 1 AS one, 'x' AS letter")
    assert (answer.columns, answer.rows) == (("one", "letter"), ((1, "x"),))


def test_no_rows_still_have_their_columns(database: Database) -> None:
    answer = ask(database, "SELECT 1 AS one WHERE false")
    assert (answer.columns, answer.rows, answer.cut) == (("one",), (), "")


def test_bare_names_are_the_views_and_then_the_tables(database: Database) -> None:
    assert "trajectory_id" in ask(database, "SELECT * FROM trajectories").columns
    assert "id" in ask(database, "SELECT * FROM public.trajectories").columns
    assert "node_no" in ask(database, "SELECT * FROM nodes").columns


def test_partitions_of_nodes_can_be_read(database: Database) -> None:
    this_round = planned_round(database, count=1)
    (search,) = claimed(database, this_round)
    searches.commit(database, search, result())
    assert ask(database, f"SELECT count(*) FROM nodes_round_{this_round.id}").rows == ((5,),)


def test_no_more_rows_are_fetched_than_are_wanted(database: Database) -> None:
    answer = ask(database, "SELECT * FROM generate_series(1, 1000)", rows=3)
    assert len(answer.rows) == 3
    assert answer.cut == "Only the first 3 rows are shown; there are more."
    assert ask(database, "SELECT * FROM generate_series(1, 3)", rows=3).cut == ""


def test_large_values_are_cut_before_they_fill_the_memory(database: Database) -> None:
    answer = readonly.run(
        database,
        "SELECT repeat('x', 400000) FROM generate_series(1, 1000000)",
        limits=Limits(megabytes=1),
    )
    assert len(answer.rows) == 2
    assert answer.cut == "Only the first 2 rows are shown: more than 1 MB."


@pytest.mark.parametrize(
    "sql",
    [
        "DROP TABLE nodes",
        "SELECT 1; DROP TABLE nodes",
        "SELECT 1; SELECT 2",
        "WITH gone AS (DELETE FROM runs RETURNING 1) SELECT * FROM gone",
        "EXPLAIN ANALYZE DELETE FROM runs",
        "SELECT * INTO TEMPORARY kept FROM runs",
        "SELECT * FROM runs FOR UPDATE",
        "SELECT pg_read_file('/etc/passwd')",
        "SELECT pg_ls_dir('/')",
        "SELECT set_config('role', 'postgres', false), pg_read_file('/etc/passwd')",
        "COPY runs TO PROGRAM 'cat'",
        "COPY (SELECT 1) TO '/tmp/taken'",
        "DO $$ BEGIN RESET ROLE; DELETE FROM runs; END $$",
        "SELECT lo_import('/etc/passwd')",
        "SELECT nextval('runs_id_seq')",
        "SELECT * FROM pg_authid",
        "SET TRANSACTION READ WRITE",
        "SHOW no_such_setting",
        "",
        "SELECT * FROM no_such_table",
        "SELECT %s",
    ],
)
def test_whatever_is_not_one_reading_statement_is_refused_in_one_line(
    database: Database, sql: str
) -> None:
    with pytest.raises(QueryRejected) as caught:
        ask(database, sql)
    assert "\n" not in str(caught.value)
    assert str(caught.value).endswith(".")


@pytest.mark.parametrize(
    "call",
    [
        "pg_advisory_lock(1)",
        "pg_try_advisory_lock(1, 2)",
        "pg_advisory_xact_lock_shared(1)",
        "pg_logical_emit_message(false, 'mine', repeat('x', 1000))",
        "pg_notify('mine', 'x')",
        "pg_cancel_backend(pg_backend_pid())",
        "pg_terminate_backend(pg_backend_pid())",
        "set_config('work_mem', '1TB', true)",
        "pg_export_snapshot()",
        "lo_create(0)",
    ],
)
def test_a_query_changes_nothing_outside_of_itself(database: Database, call: str) -> None:
    with pytest.raises(QueryRejected, match=r"may only read.*permission denied for function"):
        ask(database, f"SELECT {call}")
    with pytest.raises(QueryRejected, match=r"may only read.*permission denied for function"):
        ask(
            database,
            f"SELECT query_to_xml('SELECT {call.replace(chr(39), chr(39) * 2)}', true, true, '')",
        )


def test_every_function_that_a_reader_may_call_is_known_to_be_harmless(database: Database) -> None:
    """A new version of Postgres brings new functions; they are taken away until they are known."""
    with database.begin() as connection:
        assert reader.is_admitted(connection)
        connection.exec_driver_sql("GRANT EXECUTE ON FUNCTION pg_notify(text, text) TO PUBLIC")
        assert not reader.is_admitted(connection)
        connection.rollback()


def test_a_database_whose_reader_may_do_more_is_brought_up_to_date(
    empty_database: Database,
) -> None:
    migrate.ensure(empty_database)
    with empty_database.begin() as connection:
        connection.exec_driver_sql("GRANT EXECUTE ON FUNCTION pg_advisory_lock(bigint) TO PUBLIC")
    migrate.ensure(empty_database)
    with pytest.raises(QueryRejected, match="permission denied for function"):
        ask(empty_database, "SELECT pg_advisory_lock(1)")


@pytest.mark.parametrize(
    "useful",
    [
        "random()",
        "gen_random_uuid()",
        "clock_timestamp()",
        "pg_total_relation_size('runs')",
        "(SELECT count(*) FROM pg_locks)",
        "(SELECT count(*) FROM pg_stat_user_tables)",
        "(SELECT count(*) FROM pg_stat_activity)",
        "array_shuffle(ARRAY[1, 2])",
    ],
)
def test_what_reading_needs_can_be_called(database: Database, useful: str) -> None:
    assert len(ask(database, f"SELECT {useful}").rows) == 1


@pytest.mark.parametrize(
    "collecting",
    [
        "cardinality(array_agg(repeat('x', 16000) || i))",
        "length(string_agg(repeat('x', 3000) || i, ''))",
    ],
)
def test_a_query_that_collects_too_much_is_stopped(database: Database, collecting: str) -> None:
    limits = Limits(seconds=60, memory_megabytes=200)
    with pytest.raises(QueryRejected, match="more than 200 MB of the server's memory"):
        readonly.run(
            database, f"SELECT {collecting} FROM generate_series(1, 300000) AS i", limits=limits
        )


@pytest.mark.parametrize("seconds", [float("inf"), 1e300])
def test_time_may_be_without_end(database: Database, seconds: float) -> None:
    assert ask(database, "SELECT 1", seconds=seconds).rows == ((1,),)


@pytest.mark.parametrize("seconds", [float("nan"), 1e-9])
def test_time_is_never_nothing(database: Database, seconds: float) -> None:
    """Zero would be no limit for Postgres."""
    with pytest.raises(QueryRejected, match="stopped after"):
        ask(database, "SELECT pg_sleep(30)", seconds=seconds)


@pytest.mark.parametrize(
    "taking_back",
    [
        "set_config('role', 'postgres', false)",
        "set_config('role', 'none', true)",
        "set_config('session_authorization', 'postgres', false)",
        "set_config('session_authorization', 'default', true)",
    ],
)
def test_privileges_cannot_be_taken_back_inside_a_query(
    database: Database, taking_back: str
) -> None:
    """A function that runs SQL asks for privileges when it runs: after the first column did."""
    reading = "query_to_xml('SELECT pg_read_file(''/etc/passwd'')', true, true, '')"
    with pytest.raises(QueryRejected, match=r'permission denied|role "default" does not exist'):
        ask(database, f"SELECT {taking_back}, {reading}")


@pytest.mark.parametrize(
    "statement",
    [
        "DELETE FROM runs",
        "INSERT INTO runs (name, profile, base_model) VALUES ('mine', '{}', 'x')",
        "DROP VIEW v1.steps",
        "CREATE TABLE public.mine (one int)",
        "CREATE TABLE v1.mine (one int)",
        "COPY runs TO PROGRAM 'cat'",
        "COPY runs TO '/tmp/taken'",
        "ALTER ROLE stepforge_reader SUPERUSER",
        "SET ROLE postgres",
        "SET SESSION AUTHORIZATION postgres",
        "ALTER SYSTEM SET fsync = off",
        "SET temp_file_limit = -1",
        "CREATE EXTENSION vector",
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'postgres'",
        "SELECT pg_reload_conf()",
    ],
)
def test_the_role_alone_refuses_every_change(database: Database, statement: str) -> None:
    with (
        as_reader(database) as session,
        pytest.raises(psycopg.Error, match=r"permission denied|must be owner|denied"),
    ):
        session.execute(statement)


def test_a_statement_that_takes_too_long_is_cut(database: Database) -> None:
    with pytest.raises(QueryRejected, match=r"stopped after 0\.2 s.* --timeout"):
        ask(database, "SELECT pg_sleep(30)", seconds=0.2)


def test_a_statement_cannot_give_itself_more_time(database: Database) -> None:
    with pytest.raises(QueryRejected, match="permission denied for function set_config"):
        ask(
            database,
            "SELECT set_config('statement_timeout', '0', false), pg_sleep(30)",
            seconds=0.3,
        )


def test_a_huge_series_fills_no_disk(database: Database) -> None:
    with as_reader(database) as session:
        assert session.execute("SHOW temp_file_limit").fetchone() == (reader.MOST_TEMPORARY,)
        session.execute("SET work_mem = '64kB'")
    with database.begin() as connection:
        connection.execute(text(f"ALTER ROLE {reader.ROLE} SET temp_file_limit = '1MB'"))
    try:
        with pytest.raises(QueryRejected, match="more than 1GB of temporary space"):
            ask(database, "SELECT count(*) FROM generate_series(1, 100000000000)", seconds=60)
    finally:
        with database.begin() as connection:
            connection.execute(
                text(f"ALTER ROLE {reader.ROLE} SET temp_file_limit = '{reader.MOST_TEMPORARY}'")
            )


def test_a_reader_that_cannot_log_in_is_named_with_the_remedy(database: Database) -> None:
    with database.begin() as connection:
        connection.execute(text(f"ALTER ROLE {reader.ROLE} NOLOGIN"))
    try:
        with pytest.raises(DatabaseError, match=r"stepforge_reader cannot log in .* db upgrade"):
            ask(database, "SELECT 1")
    finally:
        with database.begin() as connection:
            connection.execute(text(f"ALTER ROLE {reader.ROLE} LOGIN"))


def test_the_password_of_the_reader_follows_from_the_owners() -> None:
    mine = reader.url("postgresql://owner:secret@db.example/stepforge?sslmode=require")
    assert mine.startswith(f"postgresql://{reader.ROLE}:")
    assert mine.endswith("@db.example/stepforge?sslmode=require")
    assert "secret" not in mine
    assert reader.password("secret") != reader.password("other")
