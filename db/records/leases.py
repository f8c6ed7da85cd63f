"""What every kind of leased work has: a key, a token, and counts of its states."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol, TypeAlias

Key: TypeAlias = tuple[int, ...]
"""The values of a table's key columns, in their order."""


class Leased(Protocol):
    """A piece of work that this worker holds until its lease expires."""

    @property
    def key(self) -> Key:
        """Which piece it is."""
        ...

    @property
    def lease_token(self) -> int:
        """What guards every write: whoever claims the work next raises it."""
        ...


@dataclass(frozen=True, slots=True)
class WorkCounts:
    """How far the work of one kind is in a round."""

    total: int
    done: int
    failed: int
    """Given up after repeated failures of an engine, without a label."""
    leased: int
    """Held under leases that have not expired."""

    @property
    def free(self) -> int:
        """Waits for a worker; an expired lease counts."""
        return self.total - self.done - self.failed - self.leased

    @property
    def is_closed(self) -> bool:
        """Whether nothing is left to do or under way."""
        return self.done + self.failed == self.total
