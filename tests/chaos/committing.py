"""A process that commits trees until none is left, and says so only when a commit has returned.

    python -m tests.chaos.committing URL ROUND_ID OWNER

Prints a line that says `claimed` when it has trees in hand, and the ids of the searches of a batch
on a line of their own once the batch is committed.
"""

from __future__ import annotations

import sys
from dataclasses import replace
from functools import cache

from db import bulk
from db.queries import searches
from db.records.searches import NodeRecord, SearchResult
from db.session import Database
from tests.factories import ROOT, answer_node, node, result

WAYS = 200
BATCH = 8
CLAIMED = "claimed\n"


@cache
def wide_tree() -> tuple[NodeRecord, ...]:
    """A tree of 401 nodes: half of its ways are right."""
    root = replace(
        ROOT, visit_count=WAYS, value_sum=0.0, leads_to_correct=True, leads_to_wrong=True
    )
    nodes = [root]
    for way in range(WAYS):
        value = 1.0 if way % 2 else -1.0
        step = node(len(nodes), root, visits=1, value=value, text=f"# Step 1\nx = {way}" * 9)
        nodes += [step, answer_node(len(nodes) + 1, step, visits=1, correct=value > 0)]
    return tuple(nodes)


def wide_result() -> SearchResult:
    return result(wide_tree())


def main(url: str, round_id: int, owner: str) -> None:
    database = Database(url)
    while held := searches.LEASES.claim(
        database, round_id, owner=owner, limit=BATCH, lease_seconds=600
    ):
        _say(CLAIMED)
        became = bulk.commit_trees(database, [(search, wide_result()) for search in held])
        _say(" ".join(map(str, sorted(became.written))) + "\n")


def _say(line: str) -> None:
    sys.stdout.write(line)
    sys.stdout.flush()


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), sys.argv[3])
