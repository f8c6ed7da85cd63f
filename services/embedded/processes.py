"""Background processes with a pid file, a log file and a session of their own.

A pid is believed only together with the time at which its process started, so a reused pid is
never taken for ours and never signalled.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

import psutil

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from services.embedded.home import Home

LOG_TAIL_CHARACTERS = 2_000
SECONDS_BETWEEN_LOOKS = 0.02


@dataclass(frozen=True, slots=True)
class Managed:
    """One background process of a home, by name."""

    home: Home
    name: str

    @property
    def log(self) -> Path:
        return self.home.logs / f"{self.name}.log"

    @property
    def _pid_file(self) -> Path:
        return self.home.run / f"{self.name}.pid"

    def process(self) -> psutil.Process | None:
        """The running process, or None."""
        try:
            noted = json.loads(self._pid_file.read_text())
            process = psutil.Process(int(noted["pid"]))
            if abs(process.create_time() - float(noted["started"])) > 1:
                return None
        except (OSError, ValueError, KeyError, psutil.NoSuchProcess):
            return None
        return process if _runs(process) else None

    def start(self, command: Sequence[str], environment: Mapping[str, str]) -> None:
        """Start it, unless it runs. It does not get this terminal's signals."""
        if self.process() is not None:
            return
        with self.log.open("ab") as log:
            child = subprocess.Popen(
                command,
                env={**os.environ, **environment},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        noted = {"pid": child.pid, "started": psutil.Process(child.pid).create_time()}
        temporary = self._pid_file.with_suffix(".new")
        temporary.write_text(json.dumps(noted))
        temporary.replace(self._pid_file)

    def stop(self, *, patience_seconds: float, how: signal.Signals = signal.SIGTERM) -> None:
        """Ask it to end, and after `patience_seconds` make it; its descendants too."""
        process = self.process()
        if process is not None:
            family = [process, *process.children(recursive=True)]
            process.send_signal(how)
            stubborn = still_running(family, after_seconds=patience_seconds)
            for survivor in stubborn:
                survivor.kill()
            still_running(stubborn, after_seconds=patience_seconds)
        self._pid_file.unlink(missing_ok=True)

    def log_tail(self) -> str:
        """The end of its log, for an error message."""
        try:
            return self.log.read_text(errors="replace")[-LOG_TAIL_CHARACTERS:].strip()
        except OSError:
            return ""


def still_running(
    processes: Sequence[psutil.Process], *, after_seconds: float
) -> list[psutil.Process]:
    """Wait until the processes have ended, so long at most; those that have not.

    One that has ended but was not collected by its parent counts as ended: an engine outlives the
    command that started it, and the init of a container may collect late or never.
    """
    deadline = time.monotonic() + after_seconds
    running = [process for process in processes if _runs(process)]
    while running and time.monotonic() < deadline:
        time.sleep(SECONDS_BETWEEN_LOOKS)
        running = [process for process in running if _runs(process)]
    return running


def _runs(process: psutil.Process) -> bool:
    try:
        return bool(process.is_running() and process.status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False
