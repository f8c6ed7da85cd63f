"""The statistics that the recipes read: counted once or again, and kept with an archived round."""

from __future__ import annotations

import pytest
from sqlalchemy import text

from db import cookbook
from db.errors import DatabaseError
from db.queries import statistics as statistic_queries
from db.session import Database
from tests.factories import (
    stored_run,
    tree_of_two_ways,
)
from tests.integration.db.cookbook.asking import ask, searched


def test_counting_a_round_again_changes_nothing(database: Database) -> None:
    this_round = searched(database, stored_run(database), 1, [tree_of_two_ways()])
    before = [ask(database, recipe.name) for recipe in cookbook.recipes()]
    statistic_queries.refresh(database, this_round.id)
    assert [ask(database, recipe.name) for recipe in cookbook.recipes()] == before


def test_an_archived_round_keeps_its_statistics(database: Database) -> None:
    this_round = searched(database, stored_run(database), 1, [tree_of_two_ways()])
    before = ask(database, "duplicates")
    with database.begin() as connection:
        connection.execute(text("DELETE FROM nodes"))
    with pytest.raises(DatabaseError, match="archived; its statistics stay"):
        statistic_queries.refresh(database, this_round.id)
    assert ask(database, "duplicates") == before


def test_a_round_that_is_not_there_cannot_be_counted(database: Database) -> None:
    with pytest.raises(DatabaseError, match="no round with the id 7"):
        statistic_queries.refresh(database, 7)
