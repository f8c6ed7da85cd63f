"""The Celery app: a message names a round that has work, and carries nothing else.

A message may arrive twice, late or never. Work is claimed in Postgres, so a message is
acknowledged at once, and whatever was lost is sent again by the flow that waits for the work.
"""

from __future__ import annotations

from celery import Celery

from services.config import Settings
from services.work.queues import TASK_MODULES, Queue


def make_app(broker_url: str) -> Celery:
    """A Celery app on this broker, with the service's tasks."""
    app = Celery("stepforge", broker=broker_url, include=TASK_MODULES)
    app.conf.update(
        task_acks_late=False,
        task_ignore_result=True,
        task_default_queue=Queue.SEARCH,
        task_serializer="json",
        accept_content=["json"],
        worker_prefetch_multiplier=1,
        worker_hijack_root_logger=True,
        worker_log_format="%(asctime)s %(levelname)s %(name)s: %(message)s",
        broker_connection_retry_on_startup=True,
        enable_utc=True,
    )
    return app


app = make_app(Settings().broker_url or "memory://")
