"""Reading preference pairs, for people."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import select

from db.models import PreferencePair, Problem, Round, Run, Search
from db.records.pairs import StoredPair

if TYPE_CHECKING:
    from db.session import Database

_PAIR = (
    select(
        PreferencePair.id,
        PreferencePair.kind,
        PreferencePair.round_id,
        PreferencePair.search_id,
        Problem.question,
        PreferencePair.chosen_no,
        PreferencePair.rejected_no,
        PreferencePair.chosen_q,
        PreferencePair.rejected_q,
    )
    .join(Search, Search.id == PreferencePair.search_id)
    .join(Problem, Problem.id == Search.problem_id)
)


def by_id(database: Database, pair_id: int) -> StoredPair | None:
    with database.begin() as connection:
        row = connection.execute(_PAIR.where(PreferencePair.id == pair_id)).one_or_none()
    return StoredPair(**row._mapping) if row else None


def widest(database: Database, *, run: str | None, limit: int) -> list[StoredPair]:
    """The pairs of the widest margin, the newest round first."""
    query = _PAIR.order_by(
        PreferencePair.round_id.desc(), PreferencePair.margin.desc(), PreferencePair.id
    ).limit(limit)
    if run is not None:
        query = (
            query.join(Round, Round.id == PreferencePair.round_id)
            .join(Run, Run.id == Round.run_id)
            .where(Run.name == run)
        )
    with database.begin() as connection:
        return [StoredPair(**row._mapping) for row in connection.execute(query)]
