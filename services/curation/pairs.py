"""The texts of a stored preference pair."""

from __future__ import annotations

from typing import TYPE_CHECKING

from db.queries import curation
from services.curation.items import PairTexts, pair_texts

if TYPE_CHECKING:
    from db.records.pairs import StoredPair
    from db.session import Database


def texts_of(database: Database, pair: StoredPair) -> PairTexts:
    """What both steps follow, and the two steps."""
    ends = [(pair.search_id, pair.chosen_no), (pair.search_id, pair.rejected_no)]
    paths = curation.paths(database, pair.round_id, ends)
    return pair_texts(pair.kind, pair.question, chosen=paths[ends[0]], rejected=paths[ends[1]])
