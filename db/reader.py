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
from sqlalchemy import make_url
from sqlalchemy.exc import ProgrammingError

from db.session import raw
from db.views import SCHEMA

if TYPE_CHECKING:
    from sqlalchemy import Connection

ROLE = "stepforge_reader"

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


def admit(connection: Connection) -> None:
    """Make the role a login, and let it read every table and view.

    The database's own user needs CREATEROLE; the limit of temporary space is only set where that
    user is a superuser, since Postgres asks for one.
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
    for schema in ("public", SCHEMA):
        grant = sql.Identifier(schema), role
        driver.execute(sql.SQL("GRANT USAGE ON SCHEMA {} TO {}").format(*grant))
        driver.execute(sql.SQL("GRANT SELECT ON ALL TABLES IN SCHEMA {} TO {}").format(*grant))
    try:
        with connection.begin_nested():
            connection.exec_driver_sql(
                f"ALTER ROLE {ROLE} SET temp_file_limit = '{MOST_TEMPORARY}'"
            )
    except ProgrammingError as error:
        if getattr(error.orig, "sqlstate", None) != "42501":
            raise


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
