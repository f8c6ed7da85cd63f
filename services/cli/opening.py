"""What every command that reads or writes the database begins with."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from db.session import Database


@contextmanager
def open_database() -> Iterator[Database]:
    """The home's database, running for as long as the command needs it."""
    from services.config import Settings
    from services.embedded.engines import Engines

    with Engines(Settings()) as engines:
        yield engines.database()
