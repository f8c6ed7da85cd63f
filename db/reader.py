"""The role under which users' SQL runs: it may select, and nothing else.

It is a login of its own. A session of the owner that gives its privileges up with SET ROLE can take
them back from inside a query, with set_config and a function that runs SQL; a session that never
had them cannot. Its password is derived from the owner's, so that whoever may open the database may
open it as the reader, and no secret is stored.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
from typing import TYPE_CHECKING

from psycopg import sql
from sqlalchemy import make_url, text
from sqlalchemy.exc import ProgrammingError

from db.session import raw
from db.views import SCHEMA

if TYPE_CHECKING:
    from sqlalchemy import Connection

ROLE = "stepforge_reader"
_INSUFFICIENT_PRIVILEGE = "42501"

SETTINGS = {
    "default_transaction_read_only": "on",
    "statement_timeout": "60s",
    "lock_timeout": "5s",
    "idle_in_transaction_session_timeout": "60s",
    "work_mem": "64MB",
    # Compiling a query costs more than the queries of the cookbook take.
    "jit": "off",
    # A view is four joins. Past the limit Postgres joins in the order written: two views of steps
    # would be a scan of every node rather than two look-ups.
    "join_collapse_limit": "12",
    "from_collapse_limit": "12",
    "geqo_threshold": "10",
    "search_path": f"{SCHEMA}, public",
}
"""What every session of the role starts with, psql's included."""

MOST_TEMPORARY = "1GB"
"""Most temporary space a session takes on the server's disk."""

CALLABLE = (
    r"random|random_normal|setseed|array_sample|array_shuffle|gen_random_uuid|uuidv\d",
    r"clock_timestamp|timeofday|pg_sleep(_for|_until)?",
    r"current_query|currval|lastval|pg_sequence_last_value|pg_get_sequence_data",
    r"query_to_xml(_and_xmlschema)?|query_to_xmlschema|ts_stat|ts_rewrite",
    r"pg_\w+_size|pg_partition_(tree|ancestors)|pg_is_\w+|pg_last_\w+|pg_control_\w+",
    r"pg_current_wal_\w+|pg_stat_get_\w+|pg_stat_clear_snapshot|pg_lock_status|pg_prepared_xact",
    r"(pg_safe_snapshot_|pg_)blocking_pids|pg_xact_\w+|txid_status|pg_get_\w+",
    r"pg_(database_)?collation_actual_version|pg_jit_available|pg_notification_queue_usage",
)
"""Names of the volatile functions of Postgres that reading has a use for, as expressions.

Every other one that anybody may call is taken from the public: such a function can change something
outside of its query (take an advisory lock, write WAL, notify, end another reader's session, give
itself more memory), which a READ ONLY transaction allows.
"""

# Functions that take or return `internal` and the like cannot be called from SQL.
_TO_TAKE_AWAY = text(
    """
    SELECT p.oid::regprocedure::text
    FROM pg_proc AS p
    WHERE p.pronamespace = 'pg_catalog'::regnamespace AND p.provolatile = 'v'
      AND p.prokind = 'f' AND p.proname !~ :callable
      AND 'internal'::regtype <> ALL (p.proargtypes::oid[])
      AND p.prorettype NOT IN (
          'internal'::regtype, 'language_handler'::regtype, 'trigger'::regtype,
          'table_am_handler'::regtype, 'index_am_handler'::regtype
      )
      AND has_function_privilege(:role, p.oid, 'EXECUTE')
      AND (SELECT rolsuper FROM pg_roles WHERE rolname = current_user)
    ORDER BY 1
    """
)


def admit(connection: Connection) -> None:
    """Make the role a login, and let it read every table and view, and call what reading needs.

    The database's own user needs CREATEROLE. Only where that user is a superuser, since Postgres
    asks for one, is temporary space limited and are functions taken from the public; elsewhere that
    user is at least let end the reader's sessions.
    """
    role = sql.Identifier(ROLE)
    driver = raw(connection)
    secret = driver.pgconn.encrypt_password(
        password(connection.engine.url.password or "").encode(), ROLE.encode(), b"scram-sha-256"
    )
    driver.execute(
        sql.SQL("ALTER ROLE {} LOGIN PASSWORD {}").format(role, sql.Literal(secret.decode()))
    )
    for name, value in SETTINGS.items():
        driver.execute(
            sql.SQL("ALTER ROLE {} SET {} = {}").format(
                role, sql.Identifier(name), _value(name, value)
            )
        )
    for function in _functions_to_take_away(connection):
        driver.execute(f"REVOKE EXECUTE ON FUNCTION {function} FROM PUBLIC".encode())
    for schema in ("public", SCHEMA):
        grant = sql.Identifier(schema), role
        driver.execute(sql.SQL("GRANT USAGE ON SCHEMA {} TO {}").format(*grant))
        driver.execute(sql.SQL("GRANT SELECT ON ALL TABLES IN SCHEMA {} TO {}").format(*grant))
    for statement in (
        f"ALTER ROLE {ROLE} SET temp_file_limit = '{MOST_TEMPORARY}'",
        f"GRANT {ROLE} TO CURRENT_USER",
    ):
        _if_allowed(connection, statement)


def _if_allowed(connection: Connection, statement: str) -> None:
    try:
        with connection.begin_nested():
            connection.exec_driver_sql(statement)
    except ProgrammingError as error:
        if getattr(error.orig, "sqlstate", None) != _INSUFFICIENT_PRIVILEGE:
            raise


def is_admitted(connection: Connection) -> bool:
    """Whether nothing that this version takes from the reader is still there to be taken."""
    return not _functions_to_take_away(connection)


def _functions_to_take_away(connection: Connection) -> list[str]:
    callable_names = f"^({'|'.join(CALLABLE)})$"
    found = connection.execute(_TO_TAKE_AWAY, {"role": ROLE, "callable": callable_names})
    return list(found.scalars())


def password(owners: str) -> str:
    """The reader's password where the owner's is `owners`."""
    digest = hmac.digest(owners.encode(), b"stepforge reader", hashlib.sha256)
    return base64.urlsafe_b64encode(digest).decode()


def url(owners: str) -> str:
    """The URL of the same database for the reader."""
    parsed = make_url(owners)
    secret = password(parsed.password or "")
    return parsed.set(username=ROLE, password=secret).render_as_string(hide_password=False)


def _value(name: str, value: str) -> sql.Composable:
    """A list of schemas is several values, which one literal would not be."""
    if name != "search_path":
        return sql.Literal(value)
    return sql.SQL(", ").join(sql.Identifier(schema) for schema in value.split(", "))
