"""The stable views, schema `v1`: what queries, the cookbook and the API read.

The tables below may change from one version of Stepforge to the next; a column of a view of `v1` is
never renamed, removed or given another meaning. Each view is one file of SQL with its comments.
Views are code rather than state: an upgrade takes them down, changes the tables and sets the views
of this version up again, so that no migration has to know them. Views of your own that build on
these are never dropped; the upgrade says their names and stops.
"""

from __future__ import annotations

import hashlib
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from sqlalchemy import text

from db.comments import comment_statements
from db.session import raw

if TYPE_CHECKING:
    from sqlalchemy import Connection

SCHEMA = "v1"
NAMES = (
    "rounds",
    "problems",
    "problem_rounds",
    "source_rounds",
    "synthetic_problems",
    "searches",
    "steps",
    "trajectories",
    "mutual_trajectories",
    "pairs",
    "datasets",
    "dataset_items",
    "dataset_exclusions",
    "checkpoints",
    "evaluations",
    "evaluation_answers",
    "costs",
    "step_counts",
    "q_histogram",
    "prior_histogram",
    "pair_counts",
)
"""Every view, in the order of the reference page."""

FOLDER = Path(__file__).resolve().parent
_ABOUT = "Stable views of Stepforge; definitions"


def remove(connection: Connection) -> None:
    """Drop every view of the schema, so that the tables below can change.

    Raises:
        psycopg.errors.DependentObjectsStillExist: a view outside of the schema builds on these.
    """
    there = connection.execute(
        text(
            "SELECT string_agg(format('%I.%I', schemaname, viewname), ', ') "
            "FROM pg_views WHERE schemaname = :schema"
        ),
        {"schema": SCHEMA},
    ).scalar_one()
    if there:
        raw(connection).execute(f"DROP VIEW {there}".encode())


def install(connection: Connection) -> None:
    """Make the views of this version, and set the comments of tables and views."""
    remove(connection)
    statements = [
        f"CREATE SCHEMA IF NOT EXISTS {SCHEMA}",
        *_definitions(),
        f"COMMENT ON SCHEMA {SCHEMA} IS '{_ABOUT} {fingerprint()}'",
    ]
    for statement in statements:
        raw(connection).execute(statement.encode())


def are_current(connection: Connection) -> bool:
    """Whether the views and comments of the database are those of this version."""
    about = connection.execute(
        text("SELECT obj_description(to_regnamespace(:schema)::oid, 'pg_namespace')"),
        {"schema": SCHEMA},
    ).scalar_one()
    return bool(about == f"{_ABOUT} {fingerprint()}")


@cache
def fingerprint() -> str:
    """Names a set of definitions and comments."""
    return hashlib.sha256("\n".join(_definitions()).encode()).hexdigest()[:16]


def _definitions() -> list[str]:
    """The views, each with its comments, then the comments of the tables."""
    views = [(FOLDER / f"{name}.sql").read_text(encoding="utf-8") for name in NAMES]
    return views + comment_statements()
