"""The reference page of the database: Markdown made from the comments in its schema."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    from db.records.schema import ViewDescription

_HEAD = """# The database

The views of the schema `v1` are what queries, the cookbook and the API read. The tables below them
may change from one version to the next; a column of these views is never renamed, removed or given
another meaning. `stepforge query` finds them by their bare names.

Words in brackets say which view a key leads to. Every label belongs to a search whose status is
`done`; what an unfinished search has stored so far is in no view.

This page is made from the comments in the schema: `stepforge db reference > docs/database.md`.
"""


def page(views: Iterable[ViewDescription]) -> str:
    """The whole page, one section a view."""
    return "\n".join([_HEAD, *(_section(view) for view in views)])


def _section(view: ViewDescription) -> str:
    rows = "".join(
        f"| `{column.name}` | {column.type} | {column.comment.replace('|', chr(92) + '|')} |\n"
        for column in view.columns
    )
    return f"## {view.name}\n\n{view.comment}\n\n| column | type | |\n|---|---|---|\n{rows}"
