"""The label-error queue: what is in it, and that a decision takes a problem out."""

from __future__ import annotations

import pytest
from sqlalchemy import text

from db.errors import DatabaseError
from db.queries import problems, reviews, searches
from db.records.runs import RoundRow, RunRow
from db.session import Database
from db.vocabulary import ReviewDecision, Split
from tests.factories import claimed, stored_round, stored_run
from tests.integration.rollouts.test_planning import finish


def searched(database: Database, run: RunRow, *, number: int, solved: bool, tier: int) -> RoundRow:
    this_round = stored_round(database, run, number=number)
    training = [p.id for p in problems.of_run(database, run.id, Split.TRAIN)]
    searches.plan(database, this_round.id, training, seed=number, tier=tier)
    for search in claimed(database, this_round):
        finish(database, search, solved=solved)
    return this_round


def listed(database: Database, this_round: RoundRow, *, last_tier: int = 1) -> list[int]:
    found = reviews.unsolved_answers(database, this_round.id, last_tier=last_tier)
    return [answer.problem_id for answer in found]


def test_a_problem_is_listed_when_its_last_tier_is_done_and_nothing_solved_it(
    database: Database,
) -> None:
    run = stored_run(database, count=3)
    first = searched(database, run, number=1, solved=False, tier=0)
    assert listed(database, first) == []
    second = searched(database, run, number=2, solved=False, tier=1)
    one, other = (p.id for p in problems.of_run(database, run.id, Split.TRAIN))
    # The answers of both rounds speak for them.
    assert listed(database, second) == [one, one, other, other]
    with database.begin() as connection:
        connection.execute(
            text("UPDATE searches SET solved = true WHERE round_id = :r AND problem_id = :p"),
            {"r": first.id, "p": one},
        )
    assert listed(database, second) == [other, other]


def test_a_problem_that_was_marked_is_not_listed_again(database: Database) -> None:
    run = stored_run(database, count=2)
    this_round = searched(database, run, number=1, solved=False, tier=1)
    (problem,) = set(listed(database, this_round))
    reviews.mark(database, problem, ReviewDecision.OK, "it is hard")
    reviews.mark(database, problem, ReviewDecision.MISLABELLED, "the source says 5")
    assert listed(database, this_round) == []
    with database.begin() as connection:
        (row,) = connection.execute(text("SELECT decision::text, note FROM problem_reviews"))
    assert tuple(row) == ("mislabelled", "the source says 5")


def test_a_problem_that_is_not_there_cannot_be_marked(database: Database) -> None:
    with pytest.raises(DatabaseError, match="no problem 99"):
        reviews.mark(database, 99, ReviewDecision.OK, "")


def test_what_is_marked_wrong_or_ambiguous_is_refused(database: Database) -> None:
    run = stored_run(database, count=4)
    marked = [p.id for p in problems.of_run(database, run.id, Split.TRAIN)]
    for problem, decision in zip(marked, ReviewDecision, strict=True):
        reviews.mark(database, problem, decision, "")
    assert reviews.refused(database, run.id) == set(marked[1:])
