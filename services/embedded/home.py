"""The home folder: where everything of one installation lies, and who uses it now.

Processes that use the embedded engines share a lock on the home; the last one to leave stops what
was started, unless `stepforge up` asked for it to stay. The kernel drops the lock of a process
that was killed, so nothing is ever counted that is not there.
"""

from __future__ import annotations

import errno
import fcntl
import os
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from services.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@dataclass(frozen=True, slots=True)
class Home:
    """Paths inside the home folder."""

    path: Path

    @property
    def postgres(self) -> Path:
        return self.path / "postgres"

    @property
    def broker(self) -> Path:
        return self.path / "broker"

    @property
    def models(self) -> Path:
        return self.path / "models"

    @property
    def checkpoints(self) -> Path:
        return self.path / "checkpoints"

    @property
    def archives(self) -> Path:
        return self.path / "archives"

    @property
    def logs(self) -> Path:
        return self.path / "logs"

    @property
    def run(self) -> Path:
        """Pid files, sockets and locks."""
        return self.path / "run"

    @property
    def prefect(self) -> Path:
        return self.path / "prefect"

    @property
    def stays_up(self) -> Path:
        """There while `stepforge up` wants the engines to outlive the commands."""
        return self.run / "stays-up"


def open_home(path: Path) -> Home:
    """Create what is missing.

    Raises:
        ConfigurationError: the folder cannot be written; names it and the remedy.
    """
    home = Home(path.expanduser().resolve())
    try:
        for folder in (home.run, home.logs, home.models, home.checkpoints, home.broker):
            folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ConfigurationError(
            f"The home folder {home.path} cannot be written: {error.strerror}. Choose another "
            "with STEPFORGE_HOME, or make room."
        ) from error
    return home


class Users:
    """This process's share in a home's engines."""

    def __init__(self, home: Home) -> None:
        self._descriptor = os.open(home.run / "users.lock", os.O_RDWR | os.O_CREAT, 0o644)
        fcntl.flock(self._descriptor, fcntl.LOCK_SH)

    def leave(self) -> bool:
        """Give the share up. True when nobody else has one, until this process calls `close`."""
        try:
            fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            if error.errno not in (errno.EWOULDBLOCK, errno.EAGAIN):
                raise
            return False
        return True

    def close(self) -> None:
        os.close(self._descriptor)


@contextmanager
def exclusive(home: Home, work: str) -> Iterator[None]:
    """Hold the home for work that only one process may do at a time.

    Raises:
        ConfigurationError: another process does it now; says which.
    """
    descriptor = os.open(home.run / "exclusive.lock", os.O_RDWR | os.O_CREAT, 0o644)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            holder = os.pread(descriptor, 200, 0).decode(errors="replace").strip()
            raise ConfigurationError(
                f"The home folder {home.path} is in use by {holder or 'another process'}. Wait "
                "for it, stop it, or choose another home with STEPFORGE_HOME."
            ) from error
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, f"`stepforge {work}` (process {os.getpid()})".encode(), 0)
        yield
    finally:
        os.close(descriptor)
