"""What the database says of itself: rules that do not hold, and its views."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Violation:
    """A rule of the data that does not hold."""

    rule: str
    count: int
    example: str


@dataclass(frozen=True, slots=True)
class ViewColumn:
    """A column of a view: its type as Postgres names it, and its comment."""

    name: str
    type: str
    comment: str


@dataclass(frozen=True, slots=True)
class ViewDescription:
    """A view of the schema `v1`, as its comments explain it."""

    name: str
    comment: str
    columns: tuple[ViewColumn, ...]
