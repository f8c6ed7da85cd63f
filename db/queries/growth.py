"""What a search stored before it was claimed: read back, or forgotten.

Rollouts, nodes and values of one search change in one transaction (`db.bulk.commit_trees`), so what
is read back is always a whole tree between two expansions, and no rollout is counted twice.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import text

from db.bulk import read_trees

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy import Connection

    from db.records.searches import ClaimedSearch, NodeRecord
    from db.session import Database


def stored_nodes(
    database: Database, held: Sequence[ClaimedSearch]
) -> dict[int, tuple[NodeRecord, ...]]:
    """The stored trees of searches, by id; nothing for a search that has none."""
    found: dict[int, tuple[NodeRecord, ...]] = {search.search_id: () for search in held}
    wanted: dict[int, list[int]] = {}
    for search in held:
        if search.node_count:
            wanted.setdefault(search.round_id, []).append(search.search_id)
    if wanted:
        with database.begin() as connection:
            for round_id, search_ids in wanted.items():
                found.update(read_trees(connection, round_id, search_ids))
    return found


def start_over(connection: Connection, search: ClaimedSearch) -> None:
    """Forget the tree of a search that is held, on the caller's transaction."""
    connection.execute(
        text("DELETE FROM nodes WHERE round_id = :round_id AND search_id = :search_id"),
        {"round_id": search.round_id, "search_id": search.search_id},
    )
    connection.execute(
        text(
            "UPDATE searches SET rollouts = 0, node_count = 0, generated_tokens = 0 "
            "WHERE id = :search_id"
        ),
        {"search_id": search.search_id},
    )
