"""Progress on a terminal: one bar at a time, and now and then a line where there is none."""

from __future__ import annotations

import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    SpinnerColumn,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rich.console import Console

    from services.reporting import Bar


SECONDS_BETWEEN_LINES = 10.0


class _TerminalBar:
    def __init__(self, progress: Progress, task: TaskID) -> None:
        self._progress = progress
        self._task = task

    def update(self, done: int, *, total: int | None = None, note: str = "") -> None:
        self._progress.update(self._task, completed=done, total=total, note=note)


class _Lines:
    """What a log file or a CI run gets instead of a bar."""

    def __init__(self, console: Console, title: str, total: int | None) -> None:
        self._console = console
        self._title = title
        self._total = total
        self._told = time.monotonic()
        self._last = ""

    def update(self, done: int, *, total: int | None = None, note: str = "") -> None:
        self._total = total or self._total
        of_total = f"/{self._total}" if self._total else ""
        self._last = f"{self._title}: {done}{of_total}  {note}".rstrip()
        if time.monotonic() - self._told >= SECONDS_BETWEEN_LINES:
            self.tell()

    def tell(self) -> None:
        """Print where it stands."""
        self._told = time.monotonic()
        if self._last:
            self._console.print(f"  {self._last}", markup=False, highlight=False, soft_wrap=True)


class TerminalReporter:
    """A `services.reporting.Reporter` that draws with rich."""

    def __init__(self, console: Console) -> None:
        self._console = console

    @contextmanager
    def bar(self, title: str, total: int | None) -> Iterator[Bar]:
        if not self._console.is_terminal:
            lines = _Lines(self._console, title, total)
            yield lines
            lines.tell()
            return
        columns = (
            SpinnerColumn(finished_text="[green]✓"),
            TextColumn("{task.description:<24}"),
            BarColumn(bar_width=24),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            TextColumn("[dim]{task.fields[note]}", markup=True),
        )
        with Progress(*columns, console=self._console) as progress:
            task = progress.add_task(title, total=total, note="")
            yield _TerminalBar(progress, task)
            finished = progress.tasks[0]
            progress.update(task, total=finished.total or finished.completed or 1)
            progress.update(task, completed=progress.tasks[0].total)

    def say(self, sentence: str) -> None:
        self._console.print(f"  {sentence}", markup=False, highlight=False, soft_wrap=True)
