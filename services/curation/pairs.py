"""One stored preference pair with its texts."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from db.queries import curation, trees
from services.curation.items import pair_texts
from services.errors import ConfigurationError

if TYPE_CHECKING:
    from db.session import Database
    from db.vocabulary import PairKind


@dataclass(frozen=True, slots=True)
class Pair:
    pair_id: int
    kind: PairKind
    search_id: int
    question: str
    prompt: str
    chosen: str
    rejected: str
    chosen_q: float
    rejected_q: float


def load_pair(database: Database, pair_id: int) -> Pair:
    """The pair with this id.

    Raises:
        ConfigurationError: there is no such pair.
    """
    found = trees.pair(database, pair_id)
    if found is None:
        raise ConfigurationError(
            f"There is no preference pair {pair_id}. `stepforge pairs list` names those there are."
        )
    pick, round_id, (chosen_q, rejected_q) = found
    ends = [(pick.search_id, pick.chosen_no), (pick.search_id, pick.rejected_no)]
    paths = curation.paths(database, round_id, ends)
    texts = pair_texts(pick.kind, pick.question, chosen=paths[ends[0]], rejected=paths[ends[1]])
    return Pair(
        pair_id=pair_id,
        kind=pick.kind,
        search_id=pick.search_id,
        question=pick.question,
        prompt=texts.prompt,
        chosen=texts.chosen,
        rejected=texts.rejected,
        chosen_q=chosen_q,
        rejected_q=rejected_q,
    )
