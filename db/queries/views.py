"""The stable views as the database itself describes them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import text

from db import views
from db.records.schema import ViewColumn, ViewDescription

if TYPE_CHECKING:
    from db.session import Database


def described(database: Database) -> list[ViewDescription]:
    """Every view of the schema `v1` with its columns and their comments, in the page's order."""
    with database.begin() as connection:
        rows = connection.execute(
            text(
                """
                SELECT c.relname AS view, coalesce(obj_description(c.oid, 'pg_class'), '') AS about,
                       a.attname AS name, format_type(a.atttypid, a.atttypmod) AS type,
                       coalesce(col_description(c.oid, a.attnum), '') AS comment
                FROM pg_class AS c
                JOIN pg_attribute AS a ON a.attrelid = c.oid AND a.attnum > 0
                WHERE c.relnamespace = to_regnamespace(:schema) AND c.relkind = 'v'
                ORDER BY array_position(:names, c.relname::text), c.relname, a.attnum
                """
            ),
            {"schema": views.SCHEMA, "names": list(views.NAMES)},
        )
        found: dict[tuple[str, str], list[ViewColumn]] = {}
        for row in rows:
            column = ViewColumn(row.name, row.type, row.comment)
            found.setdefault((row.view, row.about), []).append(column)
    return [
        ViewDescription(name, comment, tuple(columns)) for (name, comment), columns in found.items()
    ]
