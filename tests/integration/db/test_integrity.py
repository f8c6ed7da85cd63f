"""The rules of `stepforge db check` find what breaks them."""

from __future__ import annotations

from sqlalchemy import text

from db.queries import datasets, integrity, problems
from db.records.datasets import DatasetItemRecord
from db.session import Database
from db.vocabulary import DatasetKind, Split
from tests.factories import stored_run


def test_an_item_of_neither_a_search_nor_a_reference_solution_is_found(database: Database) -> None:
    run = stored_run(database)
    ids = sorted(problem.id for problem in problems.of_run(database, run.id, Split.TRAIN))
    datasets.create(
        database,
        run_id=run.id,
        round_number=0,
        kind=DatasetKind.SFT,
        spec={},
        items=[
            DatasetItemRecord(problem_id=problem_id, group_key="g", prompt="p", chosen="c")
            for problem_id in ids
        ],
    )
    with database.begin() as connection:
        connection.execute(
            text("UPDATE problems SET solution = '2 + 1 = 3' WHERE id = :id"), {"id": ids[0]}
        )
    (found,) = integrity.violations(database)
    assert (found.rule, found.count) == (
        "every dataset item can be traced to what it was made of",
        1,
    )
    assert found.example.endswith("item 1")
