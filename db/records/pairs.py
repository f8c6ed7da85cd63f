"""Preference pairs as they are stored."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from db.vocabulary import PairKind


@dataclass(frozen=True, slots=True)
class StoredPair:
    """A preference pair without its texts, which are those of the nodes that it names."""

    id: int
    kind: PairKind
    round_id: int
    search_id: int
    question: str
    chosen_no: int
    rejected_no: int
    chosen_q: float
    rejected_q: float
