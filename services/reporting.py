"""Progress, told to whoever listens: the command line draws bars, a scheduled flow writes a log.

Stages report through `current()` and know neither.
"""

from __future__ import annotations

import logging
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Iterator
    from contextlib import AbstractContextManager

logger = logging.getLogger("stepforge")


class Bar(Protocol):
    """One piece of work that takes longer than a few seconds."""

    def update(self, done: int, *, total: int | None = None, note: str = "") -> None:
        """`done` of `total` units are finished; `note` says something about them."""
        ...


class Reporter(Protocol):
    def bar(self, title: str, total: int | None) -> AbstractContextManager[Bar]:
        """A bar for as long as the context lasts; total None where it is not known."""
        ...

    def say(self, sentence: str) -> None:
        """A line that stays."""
        ...


class _LogBar:
    def __init__(self, title: str, total: int | None) -> None:
        self._title = title
        self._total = total
        self._told = -1

    def update(self, done: int, *, total: int | None = None, note: str = "") -> None:
        """Log each tenth of the way."""
        total = total or self._total or 0
        tenth = done * 10 // total if total else done
        if tenth != self._told:
            self._told = tenth
            logger.info("%s: %d of %d %s", self._title, done, total, note)


class LogReporter:
    """Writes to the log; what a flow uses that runs without a terminal."""

    @contextmanager
    def bar(self, title: str, total: int | None) -> Iterator[Bar]:
        yield _LogBar(title, total)

    def say(self, sentence: str) -> None:
        logger.info("%s", sentence)


_reporter: ContextVar[Reporter] = ContextVar("reporter", default=LogReporter())  # noqa: B039


def current() -> Reporter:
    """The reporter of this context."""
    return _reporter.get()


@contextmanager
def reporting_to(reporter: Reporter) -> Iterator[None]:
    """Use `reporter` within the context."""
    token = _reporter.set(reporter)
    try:
        yield
    finally:
        _reporter.reset(token)
