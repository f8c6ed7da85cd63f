"""Problems enter all at once or not at all, and a question is stored once."""

from __future__ import annotations

import pytest

from db.errors import DatabaseError
from db.queries import problems
from db.session import Database
from tests.factories import new_problem, stored_problems


def count(database: Database) -> int:
    return sum(row.problems for row in problems.count_by_source(database))


def test_a_question_that_is_there_already_is_left_as_it_is(database: Database) -> None:
    assert problems.import_all(database, [new_problem("q", "5")]).inserted == 1
    again = problems.import_all(database, [new_problem("q", "5"), new_problem("r", "6")])
    assert (again.inserted, again.already_there) == (1, 1)


def test_a_conflicting_answer_stores_nothing_of_the_import(database: Database) -> None:
    problems.import_all(database, [new_problem("q", "5")])
    with pytest.raises(DatabaseError, match=r"stored as problem \d+ with the answer '5'"):
        problems.import_all(database, [new_problem("r", "6"), new_problem("q", "7")])
    assert count(database) == 1


def test_imports_larger_than_a_batch_are_still_one_transaction(database: Database) -> None:
    many = [new_problem(f"question {number}") for number in range(problems.BATCH + 1)]
    problems.import_all(database, [new_problem("question 1", "other")])
    with pytest.raises(DatabaseError):
        problems.import_all(database, list(reversed(many)))
    assert count(database) == 1
    assert problems.import_all(database, many[2:]).inserted == problems.BATCH - 1


def test_problems_without_an_answer_are_told_apart(database: Database) -> None:
    ids = stored_problems(database, 3)
    problems.import_all(database, [new_problem("open", None)])
    (open_id,) = problems.ids_by_hash(database, [new_problem("open").content_hash])
    assert problems.answered(database, [open_id, *reversed(ids)]) == list(reversed(ids))
