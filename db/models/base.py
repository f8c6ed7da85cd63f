"""The declarative base: naming conventions make every constraint addressable in a migration."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import cast

from sqlalchemy import Column, DateTime, Enum, MetaData, Table, func
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column


class Base(DeclarativeBase):
    metadata = MetaData(
        naming_convention={
            "ix": "ix_%(table_name)s_%(column_0_N_name)s",
            "uq": "uq_%(table_name)s_%(column_0_N_name)s",
            "ck": "ck_%(table_name)s_%(constraint_name)s",
            "fk": "fk_%(table_name)s_%(column_0_N_name)s",
            "pk": "pk_%(table_name)s",
        }
    )
    type_annotation_map = {datetime: DateTime(timezone=True)}  # noqa: RUF012  # SQLAlchemy reads it

    def __init_subclass__(cls, **options: object) -> None:
        """Comments for the schema: the table's is the docstring, a key's says what it points to."""
        super().__init_subclass__(**options)
        table = cast("Table", cls.__table__)
        table.comment = " ".join((cls.__dict__.get("__doc__") or "").split()) or None
        for column in table.columns:
            if column.comment is None:
                column.comment = _of_key(column)


def _of_key(column: Column[object]) -> str | None:
    """What a primary or foreign key says by itself; None for any other column."""
    for key in column.foreign_keys:
        return f"Key of {key.target_fullname.partition('.')[0]}"
    return "Key of the row" if column.primary_key else None


def enumeration(words: type[StrEnum], name: str) -> Enum:
    """A Postgres enum type: four bytes a value, and readable in every query."""
    return Enum(words, name=name, values_callable=lambda e: [word.value for word in e])


class Created:
    """Rows that know when they were made."""

    created_at: Mapped[datetime] = mapped_column(
        server_default=func.now(), comment="When the row was made"
    )
