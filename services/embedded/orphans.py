"""Flow servers that outlived a killed command.

Prefect starts its in-process server as a child, which a SIGKILL of the command leaves running. It
holds nothing that is needed: the truth is in Postgres.
"""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

import psutil

from services.embedded.processes import still_running

if TYPE_CHECKING:
    from services.embedded.home import Home

FLOW_SERVER = "prefect.server"
INIT = 1
"""Whose child an orphan becomes."""


def end_orphans(home: Home) -> None:
    """End the flow servers of this home whose command is gone."""
    orphans = [process for process in psutil.process_iter() if _is_orphan(process, home)]
    for orphan in orphans:
        with suppress(psutil.NoSuchProcess):
            orphan.terminate()
    for orphan in still_running(orphans, after_seconds=5):
        with suppress(psutil.NoSuchProcess):
            orphan.kill()


def _is_orphan(process: psutil.Process, home: Home) -> bool:
    try:
        return (
            process.ppid() == INIT
            and any(FLOW_SERVER in part for part in process.cmdline())
            and process.environ().get("PREFECT_HOME") == str(home.prefect)
        )
    except psutil.Error:
        return False
