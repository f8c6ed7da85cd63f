"""Counting a round: what its nodes, trajectories and pairs say, kept so that questions are quick.

Every row is a function of the round's done searches, so counting again changes nothing; it is done
in one transaction, and readers see the old counts or the new.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import text

from db import statistics
from db.errors import DatabaseError
from db.models.statistics import BINS

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from db.session import Database


def refresh(database: Database, round_id: int) -> None:
    """Count a round anew, over the searches that are done by now.

    Raises:
        DatabaseError: there is no such round, or its nodes are archived; the counts stay.
    """
    with database.begin() as connection:
        connection.execute(text("SET LOCAL work_mem = '256MB'"))
        connection.execute(text("SET LOCAL jit = off"))
        _lock(connection, round_id)
        for table in statistics.TABLES:
            connection.execute(
                text(f"DELETE FROM {table} WHERE round_id = :round_id"),  # noqa: S608  # our own names
                {"round_id": round_id},
            )
        for statement in statistics.statements():
            connection.execute(text(statement), {"round_id": round_id, "bins": BINS})
    with database.begin() as connection:
        connection.execute(text(f"ANALYZE {', '.join(statistics.TABLES)}"))


def _lock(connection: Connection, round_id: int) -> None:
    """One count of a round at a time; its searches may go on."""
    countable = connection.execute(
        text(
            """
            SELECT EXISTS (SELECT FROM nodes WHERE round_id = r.id)
                OR NOT EXISTS (SELECT FROM searches WHERE round_id = r.id AND status = 'done'
                                                      AND node_count > 0)
            FROM rounds AS r WHERE r.id = :round_id FOR NO KEY UPDATE
            """
        ),
        {"round_id": round_id},
    ).scalar_one_or_none()
    if countable is None:
        raise DatabaseError(
            f"There is no round with the id {round_id}; the view `rounds` lists those there are."
        )
    if not countable:
        raise DatabaseError(
            f"The nodes of round {round_id} are archived; its statistics stay as they were counted."
        )
