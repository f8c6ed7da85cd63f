"""Batches of trees: fenced, idempotent, whole or not at all, and read back as they were."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest
from psycopg.errors import CheckViolation
from sqlalchemy import text

from db import bulk
from db.queries import integrity, searches
from db.session import Database
from db.vocabulary import Outcome
from tests.factories import ROOT, claimed, node, planned_round, result, tree_of_two_ways


def lapse_all(database: Database) -> None:
    with database.begin() as connection:
        connection.execute(text("UPDATE searches SET lease_expires_at = now() - interval '1 s'"))


def test_a_batch_of_trees_is_read_back_as_it_was(database: Database) -> None:
    this_round = planned_round(database, count=3)
    root = replace(ROOT, visit_count=1, value_sum=0.25, prior=0.25)
    odd = (
        root,
        replace(node(1, root, visits=0, value=0.0), outcome=Outcome.RAISED, error="é\t\\N 'x'"),
    )
    batch = [
        (search, result(odd if number == 1 else ()))
        for number, search in enumerate(claimed(database, this_round))
    ]
    bulk.commit_trees(database, batch)
    with database.begin() as connection:
        stored = dict(bulk.read_trees(connection, this_round.id))
        some = dict(bulk.read_trees(connection, this_round.id, [batch[1][0].search_id]))
    assert stored == {search.search_id: made.nodes for search, made in batch}
    assert some == {batch[1][0].search_id: odd}


def test_a_batch_names_the_searches_it_lost_and_writes_the_others(database: Database) -> None:
    this_round = planned_round(database, count=3)
    held = claimed(database, this_round)
    lapse_all(database)
    (taken,) = claimed(database, this_round, owner="other", limit=1)
    became = bulk.commit_trees(database, [(search, result()) for search in held])
    assert became.lost == {taken.search_id}
    assert became.written == {search.search_id for search in held} - became.lost
    assert searches.progress(database, this_round.id).nodes == 10
    assert integrity.violations(database) == []


def test_a_batch_that_is_sent_again_changes_nothing(database: Database) -> None:
    this_round = planned_round(database, count=2)
    batch = [(search, result()) for search in claimed(database, this_round)]
    bulk.commit_trees(database, batch)
    other = [(search, result(tree_of_two_ways()[:1], solved=False)) for search, _ in batch]
    again = bulk.commit_trees(database, other)
    assert (len(again.already_done), again.written, again.lost) == (2, frozenset(), frozenset())
    counts = searches.progress(database, this_round.id)
    assert (counts.done, counts.solved, counts.nodes) == (2, 2, 10)


def test_one_bad_tree_leaves_nothing_of_its_batch(database: Database) -> None:
    this_round = planned_round(database, count=2)
    first, second = claimed(database, this_round)
    bad = (ROOT, replace(node(1, ROOT, visits=1, value=1.0), parent_no=1))
    with pytest.raises(CheckViolation, match="parent_is_earlier"):
        bulk.commit_trees(database, [(first, result()), (second, result(bad))])
    counts = searches.progress(database, this_round.id)
    assert (counts.done, counts.nodes, counts.leased) == (0, 0, 2)


def test_batches_in_opposite_orders_never_wait_for_each_other(database: Database) -> None:
    this_round = planned_round(database, count=40)
    batch = [(search, result()) for search in claimed(database, this_round, limit=40)]
    with ThreadPoolExecutor(2) as pool:
        became = list(
            pool.map(lambda these: bulk.commit_trees(database, these), [batch, batch[::-1]])
        )
    assert sorted(len(each.written) for each in became) == [0, 40]
    assert sorted(len(each.already_done) for each in became) == [0, 40]
    assert integrity.violations(database) == []
