"""Prefect as the flows use it: settled for one machine before it is imported, since it looks once.

It works in process, offline and quiet, with its files in the home folder. Whatever the environment
already sets is kept, so a deployment with a Prefect server only names it (PREFECT_API_URL).
"""

from __future__ import annotations

import os

from services.config import Settings

QUIET_AND_OFFLINE = {
    "PREFECT_HOME": str((Settings().home / "prefect").expanduser().resolve()),
    "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
    "DO_NOT_TRACK": "1",
    "PREFECT_LOGGING_LEVEL": "CRITICAL",
    "PREFECT_LOGGING_TO_API_ENABLED": "false",
    "PREFECT_SERVER_LOGGING_LEVEL": "CRITICAL",
    "PREFECT_SERVER_EPHEMERAL_STARTUP_TIMEOUT_SECONDS": "120",
    "PREFECT_CLIENT_SERVER_VERSION_CHECK_ENABLED": "false",
    "PREFECT_TELEMETRY_ENABLE_RESOURCE_METRICS": "false",
}

for name, value in QUIET_AND_OFFLINE.items():
    os.environ.setdefault(name, value)

from prefect import flow  # noqa: E402

__all__ = ["flow"]
