"""The declarative base: naming conventions make every constraint addressable in a migration."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum

from sqlalchemy import DateTime, Enum, MetaData, func
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


def enumeration(words: type[StrEnum], name: str) -> Enum:
    """A Postgres enum type: four bytes a value, and readable in every query."""
    return Enum(words, name=name, values_callable=lambda e: [word.value for word in e])


class Created:
    """Rows that know when they were made."""

    created_at: Mapped[datetime] = mapped_column(server_default=func.now())
