"""Trees of another system enter as a run of their own, in one transaction: all of them or none."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from sqlalchemy import text

from db.bulk import copy_trees
from db.queries import problems, runs
from db.records.problems import RunProblemRecord
from db.vocabulary import Split

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from sqlalchemy import Connection

    from db.records.problems import NewProblem
    from db.records.runs import RoundRow
    from db.records.searches import NodeRecord
    from db.session import Database


@dataclass(frozen=True, slots=True)
class ImportedSearch:
    """A tree without its nodes. `seed` tells the trees of one problem apart."""

    content_hash: bytes
    seed: int
    solved: bool
    rollouts: int
    node_count: int


def store(
    database: Database,
    *,
    run: str,
    profile: Mapping[str, object],
    base_model: str,
    sandbox: str,
    new_problems: Sequence[NewProblem],
    searches: Sequence[ImportedSearch],
    trees: Callable[[], Iterator[tuple[NodeRecord, ...]]],
) -> RoundRow:
    """A run with one round whose searches are done; `trees` gives their nodes, in their order.

    Raises:
        DatabaseError: a question is stored with another answer; nothing was written. What `trees`
            raises comes through, and nothing was written either.
    """
    with database.begin() as connection:
        problems.insert_all(connection, new_problems)
        hashes = [problem.content_hash for problem in new_problems]
        ids = dict(zip(hashes, problems.ids_of(connection, hashes), strict=True))
        made = runs.insert_run(
            connection,
            name=run,
            profile=profile,
            base_model=base_model,
            problems=[RunProblemRecord(problem_id, Split.TRAIN) for problem_id in ids.values()],
        )
        this_round = runs.insert_round(connection, run_id=made.id, number=1)
        numbers = _insert_searches(connection, this_round.id, sandbox, ids, searches)
        copy_trees(connection, this_round.id, zip(numbers, trees(), strict=True))
    return this_round


def _insert_searches(
    connection: Connection,
    round_id: int,
    sandbox: str,
    problem_ids: Mapping[bytes, int],
    searches: Sequence[ImportedSearch],
) -> list[int]:
    """Ids of the new searches, in their order."""
    rows = connection.execute(
        text(
            """
            INSERT INTO searches (round_id, problem_id, seed, status, solved, rollouts, node_count,
                                  sandbox, finished_at)
            SELECT :round_id, s.problem_id, s.seed, 'done', s.solved, s.rollouts, s.node_count,
                   :sandbox, now()
            FROM unnest(
                CAST(:problem_ids AS bigint[]), CAST(:seeds AS bigint[]),
                CAST(:solved AS boolean[]), CAST(:rollouts AS int[]), CAST(:counts AS int[])
            ) AS s (problem_id, seed, solved, rollouts, node_count)
            RETURNING id, problem_id, seed
            """
        ),
        {
            "round_id": round_id,
            "sandbox": sandbox,
            "problem_ids": [problem_ids[search.content_hash] for search in searches],
            "seeds": [search.seed for search in searches],
            "solved": [search.solved for search in searches],
            "rollouts": [search.rollouts for search in searches],
            "counts": [search.node_count for search in searches],
        },
    )
    ids = {(row.problem_id, row.seed): row.id for row in rows}
    return [ids[problem_ids[search.content_hash], search.seed] for search in searches]
