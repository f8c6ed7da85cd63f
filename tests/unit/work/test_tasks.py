"""A task's message: sent to the queue of its kind, and a broker that is not there is named."""

from __future__ import annotations

import importlib

import pytest

from services.consistency.tasks import judge_round
from services.errors import EngineUnavailable
from services.rollouts.tasks import search_round
from services.work.celery import app
from services.work.queues import TASK_MODULES, Queue
from services.work.tasks import RoundTask


def test_a_broker_that_is_not_there_is_named_without_its_password() -> None:
    with pytest.raises(EngineUnavailable, match="STEPFORGE_BROKER_URL") as caught:
        search_round.notify("redis://:secret@127.0.0.1:1/0", 7)
    assert "127.0.0.1:1" in str(caught.value)
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize("task", [search_round, judge_round])
def test_a_message_names_a_round_and_waits_in_the_queue_of_its_kind(task: RoundTask) -> None:
    task.notify("memory://", 7)
    with app.connection_for_read(url="memory://") as connection:
        queue = connection.SimpleQueue(task.queue.value)
        message = queue.get(block=False)
        assert message.headers["task"] == task.task.name
        assert message.payload[0] == [7]
        message.ack()
        queue.close()


def test_every_queue_has_a_task() -> None:
    tasks = [
        value
        for module in TASK_MODULES
        for value in vars(importlib.import_module(module)).values()
        if isinstance(value, RoundTask)
    ]
    assert {task.queue for task in tasks} == set(Queue)
