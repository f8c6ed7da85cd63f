"""Celery tasks that work on a round: sent with its id, answered with what the database says of it.

A task carries no state. Whatever it means is read from the database when it is answered, so one
that comes twice or too late does nothing.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

from celery.utils.log import get_task_logger
from kombu.exceptions import OperationalError
from kombu.utils.url import maybe_sanitize_url

from db.queries import runs
from db.session import Database
from services.config import Settings
from services.errors import EngineUnavailable
from services.profiles import Profile
from services.work.celery import app

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from celery import Task

    from db.records.runs import RoundRow
    from services.profiles import RoundProfile
    from services.work.queues import Queue

logger = get_task_logger(__name__)


@dataclass(frozen=True, slots=True)
class RoundWork:
    """The round of a task, as its database has it, and the settings of this worker."""

    database: Database
    row: RoundRow
    profile: RoundProfile
    settings: Settings


@dataclass(frozen=True, slots=True)
class RoundTask:
    """A Celery task that does what is free of one kind of work in a round."""

    task: Task
    queue: Queue

    def notify(self, broker_url: str, round_id: int) -> None:
        """Tell the workers of the queue that the round has work.

        Raises:
            EngineUnavailable: the broker cannot be reached.
        """
        try:
            with app.connection_for_write(url=broker_url) as connection:
                self.task.apply_async((round_id,), connection=connection, queue=self.queue.value)
        except OperationalError as error:
            raise EngineUnavailable(
                f"The broker {maybe_sanitize_url(broker_url)} cannot be reached: {error}. Start "
                "it, or correct STEPFORGE_BROKER_URL, and run the command again; it goes on from "
                "here."
            ) from error


def round_task(
    queue: Queue,
) -> Callable[[Callable[[RoundWork], Awaitable[int]]], RoundTask]:
    """Make a function that does a round's work, and says how much it claimed, a Celery task."""

    def decorate(work: Callable[[RoundWork], Awaitable[int]]) -> RoundTask:
        def run(round_id: int) -> None:
            claimed = asyncio.run(_answer(work, round_id))
            logger.info("round %d: %d of %s claimed", round_id, claimed, queue.value)

        name = f"stepforge.{queue.value}"
        return RoundTask(cast("Task", app.task(run, name=name)), queue)

    return decorate


async def _answer(work: Callable[[RoundWork], Awaitable[int]], round_id: int) -> int:
    settings = Settings()
    database = Database(settings.database_url)
    try:
        row = runs.round_by_id(database, round_id)
        if row is None:
            logger.warning("round %d is not in this database", round_id)
            return 0
        profile = Profile.model_validate(runs.profile_of_round(database, round_id))
        return await work(RoundWork(database, row, profile.rounds[row.number - 1], settings))
    finally:
        database.close()
