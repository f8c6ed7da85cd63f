"""A rule that SQL and Python both state gives one value in both."""

from __future__ import annotations

from dataclasses import replace
from itertools import product

import duckdb
import pytest
from sqlalchemy import text

from db import bulk
from db.queries import consistency, mining
from db.session import Database
from db.values import Q_VALUE, q_value
from services.search.agreement import reward_of
from services.search.backup import as_stored
from tests.factories import ROOT, answer_node, claimed, node, planned_round, result

SUMS = (-3.0, -0.7, 0.0, 0.1, 1.0, 2.5)
VISITS = (0, 1, 3, 17)
PRIORS = (None, 0.0, -0.5, 1.0)


def test_postgres_duckdb_and_python_give_a_node_one_q(database: Database) -> None:
    duck = duckdb.connect()
    with database.begin() as connection:
        for value_sum, visits, prior in product(SUMS, VISITS, PRIORS):
            expected = q_value(value_sum, visits, prior=prior)
            row = (
                "(SELECT {}::float8 AS value_sum, {}::int AS visit_count, {}::float4 AS prior) AS n"
            ).format(value_sum, visits, "NULL" if prior is None else prior)
            query = f"SELECT {Q_VALUE} AS q_value FROM {row}"
            assert connection.execute(text(query)).scalar_one() == expected
            assert duck.execute(query).fetchall() == [(expected,)]


@pytest.mark.parametrize("confidence", [0.0, 0.25, 1 / 3, 1.0])
def test_the_database_reads_the_confidence_of_an_answer_from_its_reward(
    database: Database, confidence: float
) -> None:
    this_round = planned_round(database, count=1, answered=False)
    reward = as_stored(reward_of(confidence))
    root = replace(ROOT, visit_count=1, value_sum=reward)
    step = replace(node(1, root, visits=1, value=reward), leads_to_correct=False)
    answer = replace(
        answer_node(2, step, visits=1, correct=True),
        verdict=None,
        reward=reward,
        value_sum=reward,
        leads_to_correct=False,
    )
    (search,) = claimed(database, this_round)
    bulk.commit_trees(database, [(search, result((root, step, answer), solved=False))])
    assert consistency.plan(database, this_round.id) == 1
    with database.begin() as connection:
        stored = connection.execute(
            text("SELECT confidence FROM consistency_candidates")
        ).scalar_one()
    assert stored == pytest.approx(confidence, abs=1e-7)


def test_the_mean_q_of_a_trajectory_is_one_number_with_a_ground_truth_and_without(
    database: Database,
) -> None:
    root = replace(ROOT, visit_count=2, value_sum=0.5, leads_to_correct=True, leads_to_wrong=True)
    first = node(1, root, visits=2, value=0.5)
    second = replace(node(2, first, visits=2, value=0.8), prior=0.3)
    right = answer_node(3, second, visits=1, correct=True)
    wrong = answer_node(4, second, visits=1, correct=False)
    graded = (root, first, second, right, wrong)
    ungraded = tuple(replace(n, verdict=None) for n in graded)
    this_round = planned_round(database, count=2)
    batch = zip(claimed(database, this_round), (graded, ungraded), strict=True)
    bulk.commit_trees(database, [(search, result(tree)) for search, tree in batch])
    mining.mine(database, this_round.id)
    consistency.plan(database, this_round.id)
    with database.begin() as connection:
        mined, planned = (
            [
                tuple(row)
                for row in connection.execute(
                    text(f"SELECT leaf_no, mean_q, steps FROM {table} ORDER BY leaf_no")
                )
            ]
            for table in ("trajectories", "consistency_candidates")
        )
    assert mined == planned
    qs = [first.value_sum / 2, second.value_sum / 3, right.value_sum]
    assert mined[0] == (3, pytest.approx(sum(qs) / 3), 3)
