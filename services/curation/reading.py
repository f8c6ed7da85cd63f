"""The texts behind candidates, read a batch at a time."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING

from db.queries import candidates, curation

if TYPE_CHECKING:
    from collections.abc import Iterable

    from db.records.datasets import ProblemText
    from db.records.trees import PathStep
    from db.session import Database

End = tuple[int, int, int]
"""Round, search and number of the node that a path leads to."""

BATCH = 500
"""Candidates whose texts are held at a time."""


def paths_to(database: Database, ends: Iterable[End]) -> dict[End, tuple[PathStep, ...]]:
    """The steps up to each node, the root left out."""
    by_round: dict[int, list[tuple[int, int]]] = defaultdict(list)
    for round_id, search_id, node_no in ends:
        by_round[round_id].append((search_id, node_no))
    return {
        (round_id, *end): steps
        for round_id, wanted in by_round.items()
        for end, steps in curation.paths(database, round_id, wanted).items()
    }


def problems_of(database: Database, problem_ids: Iterable[int]) -> dict[int, ProblemText]:
    """The problems with these ids."""
    return candidates.problem_texts(database, sorted(set(problem_ids)))
