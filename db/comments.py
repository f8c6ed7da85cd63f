"""Comments of tables and columns, as the models say them: psql's \\d+ explains the schema.

They are set anew with every upgrade, so that a migration need not repeat them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy.dialects import postgresql
from sqlalchemy.schema import SetColumnComment, SetTableComment

from db.models import Base

if TYPE_CHECKING:
    from sqlalchemy.schema import DDLElement


_DIALECT = postgresql.dialect()  # type: ignore[no-untyped-call]


def comment_statements() -> list[str]:
    """COMMENT ON for every table and column of the models."""
    statements = []
    for table in Base.metadata.sorted_tables:
        statements.append(_compiled(SetTableComment(table)))
        statements += [_compiled(SetColumnComment(column)) for column in table.columns]
    return statements


def _compiled(element: DDLElement) -> str:
    return str(element.compile(dialect=_DIALECT))
