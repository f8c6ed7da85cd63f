"""Where the nodes of a round are."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from db.vocabulary import NodesState


@dataclass(frozen=True, slots=True)
class RoundNodes:
    """A round, and where its nodes are."""

    round_id: int
    run: str
    number: int
    finished: bool
    state: NodesState
    nodes: int
    stored_bytes: int
    """Of the table with its indexes, or of the file."""
    path: str | None


@dataclass(frozen=True, slots=True)
class ArchiveRow:
    """The file that holds the nodes of an archived round."""

    round_id: int
    path: str
    node_count: int
    file_bytes: int
    sha256: bytes
