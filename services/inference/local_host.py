"""The thread that owns the local models: it loads them on demand and steps their engines in turn.

At most `held` models are in memory, a policy and a PPM as a rule; a further one takes the place of
the least recently used that has nothing to do. Requests are placed in the order they came.
"""

from __future__ import annotations

import logging
import threading
from collections import OrderedDict, deque
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING

import psutil
import torch

from services.errors import EngineUnavailable, ModelError
from services.inference.local_engine import EngineLimits, LocalEngine
from services.inference.local_jobs import RequestRefused
from services.inference.local_model import load_model

if TYPE_CHECKING:
    from pathlib import Path

    from services.inference.local_jobs import Job

log = logging.getLogger(__name__)

Request = tuple["Path", "Job"]


def physical_cores() -> int:
    """Cores that this process may use; hyperthreads do not count."""
    usable = len(psutil.Process().cpu_affinity() or []) or 1
    return min(usable, psutil.cpu_count(logical=False) or usable)


class ModelHost:
    """Runs jobs on models named by their folders. Safe to call from any thread."""

    def __init__(
        self, *, threads: int = 0, held: int = 2, limits: EngineLimits | None = None
    ) -> None:
        """`threads` is the number of processor threads of torch; 0 takes the physical cores."""
        self._threads = threads or physical_cores()
        self._held = held
        self._limits = limits or EngineLimits.for_memory(psutil.virtual_memory().total)
        self._inbox: SimpleQueue[Request | None] = SimpleQueue()
        self._waiting: deque[Request] = deque()
        self._engines: OrderedDict[Path, LocalEngine] = OrderedDict()
        self._closing = False
        self._thread = threading.Thread(target=self._run, name="local-models", daemon=True)

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    def submit(self, folder: Path, job: Job) -> None:
        """Queue a job; its future gets the answer.

        The future's exception may be ModelError (the folder holds no usable model), RequestRefused
        (this model cannot answer it) or EngineUnavailable (the host is closing).
        """
        self._inbox.put((folder, job))

    def held_models(self) -> list[Path]:
        """Folders of the models in memory, the least recently used first."""
        return list(self._engines)

    def close(self) -> None:
        """End the thread after the step it is in; unanswered jobs get EngineUnavailable."""
        self._inbox.put(None)
        self._thread.join()

    def _run(self) -> None:
        torch.set_num_threads(self._threads)
        while True:
            self._read_inbox()
            if self._closing:
                break
            self._place_waiting()
            for folder, engine in list(self._engines.items()):
                if engine.busy:
                    self._step(folder, engine)
        error = EngineUnavailable("The model server is closing. Start it again and retry.")
        for engine in self._engines.values():
            engine.fail_all(error)
        for _, job in self._waiting:
            _fail(job, error)

    def _read_inbox(self) -> None:
        """Take what has arrived; wait for something where there is nothing to do."""
        idle = not self._waiting and not any(engine.busy for engine in self._engines.values())
        try:
            while True:
                request = self._inbox.get(block=idle)
                idle = False
                if request is None:
                    self._closing = True
                else:
                    self._waiting.append(request)
        except Empty:
            return

    def _place_waiting(self) -> None:
        while self._waiting:
            folder, job = self._waiting[0]
            if folder not in self._engines and not self._make_room():
                return
            self._waiting.popleft()
            if job.future.cancelled():
                continue
            # A boundary like `_step`: a folder that cannot be loaded must not end the thread.
            try:
                self._engine(folder).submit(job)
            except (ModelError, RequestRefused) as error:
                _fail(job, error)
            except Exception as error:
                log.exception("model %s cannot take a request", folder)
                _fail(job, error)

    def _make_room(self) -> bool:
        """Drop the least recently used idle model where the house is full."""
        if len(self._engines) < self._held:
            return True
        idle = [folder for folder, engine in self._engines.items() if not engine.busy]
        if not idle:
            return False
        del self._engines[idle[0]]
        log.info("dropped model %s", idle[0])
        return True

    def _engine(self, folder: Path) -> LocalEngine:
        if folder not in self._engines:
            self._engines[folder] = LocalEngine(load_model(folder), self._limits)
            log.info("loaded model %s", folder)
        self._engines.move_to_end(folder)
        return self._engines[folder]

    def _step(self, folder: Path, engine: LocalEngine) -> None:
        # The boundary of the thread: whatever a model does, the other model goes on.
        try:
            engine.step()
        except Exception as error:
            log.exception("a step of model %s failed; it is dropped", folder)
            engine.fail_all(error)
            del self._engines[folder]


def _fail(job: Job, error: Exception) -> None:
    if job.future.set_running_or_notify_cancel():
        job.future.set_exception(error)
