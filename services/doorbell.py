"""Doorbells: a message that names a round, and what a worker that hears it works with.

A doorbell carries no state. Whatever it means is read from the database when it is answered.
"""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from celery.utils.log import get_task_logger
from kombu.exceptions import OperationalError
from kombu.utils.url import maybe_sanitize_url

from db.queries import runs
from db.session import Database
from services.errors import EngineUnavailable
from services.profiles import Profile
from services.worker import app

if TYPE_CHECKING:
    from collections.abc import Iterator

    from celery import Task

    from db.records.runs import RoundRow
    from services.profiles import RoundProfile

logger = get_task_logger(__name__)


@dataclass(frozen=True, slots=True)
class CalledRound:
    """The round of a doorbell, as its database has it."""

    database: Database
    row: RoundRow
    profile: RoundProfile


def send(task: Task, broker_url: str, round_id: int) -> None:
    """Send a Celery task that works on a round.

    Raises:
        EngineUnavailable: the broker cannot be reached.
    """
    try:
        with app.connection_for_write(url=broker_url) as connection:
            task.apply_async((round_id,), connection=connection)
    except OperationalError as error:
        raise EngineUnavailable(
            f"The broker {maybe_sanitize_url(broker_url)} cannot be reached: {error}. Start it, or "
            "correct STEPFORGE_BROKER_URL, and run the command again; it goes on from here."
        ) from error


@contextmanager
def called_round(database_url: str, round_id: int) -> Iterator[CalledRound | None]:
    """The round that a doorbell names; None where this database has no such round."""
    database = Database(database_url)
    try:
        row = runs.round_by_id(database, round_id)
        if row is None:
            logger.warning("round %d is not in this database", round_id)
            yield None
        else:
            profile = Profile.model_validate(runs.profile_of_round(database, round_id))
            yield CalledRound(database, row, profile.rounds[row.number - 1])
    finally:
        database.close()
