"""Trees worked out by hand, stored as a round, and the cookbook asked of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from decimal import Decimal

from db import cookbook
from db.queries import mining, problems, readonly, runs, searches
from db.queries import statistics as statistic_queries
from db.records.runs import RoundRow, RunRow
from db.records.searches import NodeRecord
from db.session import Database
from db.vocabulary import (
    Outcome,
    Split,
    Verdict,
)
from tests.factories import (
    ROOT,
    answer_node,
    claimed,
    node,
    result,
)

Tree = tuple[NodeRecord, ...]
Row = dict[str, object]


def ask(database: Database, name: str, **given: str) -> list[Row]:
    recipe = cookbook.recipe(name)
    answer = readonly.run(database, recipe.sql, recipe.values(given))
    return [dict(zip(answer.columns, row, strict=True)) for row in answer.rows]


def searched(
    database: Database, run: RunRow, number: int, trees: Sequence[Tree], ppm: int | None = None
) -> RoundRow:
    """A curated round with one tree a problem, in the order of the run's problems."""
    this_round = runs.start_round(
        database, run_id=run.id, number=number, policy_checkpoint_id=None, ppm_checkpoint_id=ppm
    )
    training = [p.id for p in problems.of_run(database, run.id, Split.TRAIN)][: len(trees)]
    searches.plan(database, this_round.id, training, seed=number)
    for search, nodes in zip(claimed(database, this_round, limit=99), trees, strict=True):
        solved = any(node.verdict is Verdict.EQUAL and node.visit_count for node in nodes)
        searches.commit(database, search, result(nodes, solved=solved))
    mining.mine(database, this_round.id)
    statistic_queries.refresh(database, this_round.id)
    return this_round


def one_way(*, correct: bool, visits: int = 4) -> Tree:
    """A tree whose every rollout takes the same two steps."""
    value = float(visits if correct else -visits)
    root = replace(
        ROOT,
        visit_count=visits,
        value_sum=value,
        leads_to_correct=correct,
        leads_to_wrong=not correct,
    )
    step = node(1, root, visits=visits, value=value)
    return (root, step, answer_node(2, step, visits=visits, correct=correct))


def failed(number: int, parent: NodeRecord, error: str | None, *, tokens: int = 0) -> NodeRecord:
    return replace(
        node(number, parent, visits=0, value=0.0),
        leads_to_correct=False,
        leads_to_wrong=False,
        outcome=Outcome.RAISED if error else Outcome.TIMED_OUT,
        error=error,
        generated_tokens=tokens,
    )


def plain(rows: list[Row], *columns: str) -> list[tuple[object, ...]]:
    """Some columns; decimals as floats."""
    return [
        tuple(float(v) if isinstance(v, Decimal) else v for v in (row[c] for c in columns))
        for row in rows
    ]
