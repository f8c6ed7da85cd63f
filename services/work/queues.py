"""The queues of the broker: one for each kind of work, so that a worker can be given some kinds."""

from enum import StrEnum


class Queue(StrEnum):
    """A kind of work; the value is the name of its queue."""

    SEARCH = "search"  # trees are grown
    CHECK = "check"  # trajectories without a ground truth are checked


TASK_MODULES = ("services.rollouts.tasks", "services.consistency.tasks")
"""Where the Celery task of each queue is."""
