"""Trajectories and preference pairs, mined from trees that are worked out by hand."""

from __future__ import annotations

from dataclasses import replace

import pytest
from sqlalchemy import text

from db.queries import candidates, curation, integrity, mining, searches
from db.queries import pairs as stored_pairs
from db.records.datasets import PairFilter
from db.records.searches import NodeRecord
from db.session import Database
from db.vocabulary import Outcome, PairKind, StepKind
from tests.factories import (
    ROOT,
    answer_node,
    claimed,
    correct_trajectories,
    node,
    planned_round,
    result,
    tree_of_two_ways,
)


def committed(database: Database, nodes: tuple[object, ...]) -> int:
    """The round id of one committed tree."""
    this_round = planned_round(database, count=1)
    (search,) = claimed(database, this_round)
    searches.commit(database, search, result(nodes))  # type: ignore[arg-type]
    return this_round.id


def pairs(database: Database, round_id: int) -> set[tuple[PairKind, int, int]]:
    every = PairFilter(
        kinds=tuple(PairKind), min_margin=0, min_visits=1, min_solve_rate=0, max_solve_rate=1
    )
    found, _ = candidates.pairs(database, [round_id], every)
    return {(pair.kind, pair.chosen_no, pair.rejected_no) for pair in found}


def test_a_trajectory_keeps_its_path_and_mean_q(database: Database) -> None:
    round_id = committed(database, ())
    assert mining.mine(database, round_id).trajectories == 2
    (best,) = correct_trajectories(database, round_id)
    assert (best.leaf_no, best.mean_q) == (3, 1.0)
    (path,) = curation.paths(database, round_id, [(best.search_id, 3)]).values()
    assert [step.text for step in path] == ["step 1\n<end_of_step>", "answer 3"]


def test_the_right_step_is_preferred_to_the_wrong_one(database: Database) -> None:
    round_id = committed(database, ())
    mined = mining.mine(database, round_id)
    assert mined.pairs == 2
    assert pairs(database, round_id) == {(PairKind.STEP, 1, 2), (PairKind.ANSWER, 3, 4)}


def test_the_widest_pairs_are_listed_first_and_read_by_their_names(database: Database) -> None:
    """A pair of every id that a row has: each stands in its own field."""
    root = replace(ROOT, visit_count=4, value_sum=0.0, leads_to_correct=True, leads_to_wrong=True)
    sure, unsure = node(1, root, visits=2, value=2.0), node(2, root, visits=2, value=-1.9)
    leaves = (
        answer_node(3, sure, visits=2, correct=True),
        answer_node(4, unsure, visits=2, correct=False),
    )
    round_id = committed(database, (root, sure, replace(unsure, leads_to_correct=False), *leaves))
    mining.mine(database, round_id)
    answers, steps = stored_pairs.widest(database, run="run", limit=5)
    assert [(pair.kind, pair.chosen_no, pair.rejected_no) for pair in (answers, steps)] == [
        (PairKind.ANSWER, 3, 4),
        (PairKind.STEP, 1, 2),
    ]
    assert (steps.chosen_q, steps.rejected_q, steps.round_id) == (1.0, -0.95, round_id)
    with database.begin() as connection:
        search_id, question = connection.execute(
            text(
                "SELECT s.id, p.question FROM searches AS s JOIN problems AS p ON p.id = problem_id"
            )
        ).one()
    assert (steps.search_id, steps.question) == (search_id, question)
    assert stored_pairs.by_id(database, steps.id) == steps
    assert stored_pairs.widest(database, run="another", limit=5) == []


def test_mining_again_adds_nothing(database: Database) -> None:
    round_id = committed(database, ())
    for _ in range(2):
        mined = mining.mine(database, round_id)
        assert (mined.trajectories, mined.pairs) == (2, 2)


def test_only_the_two_best_and_the_two_worst_steps_of_a_prefix_are_paired(
    database: Database,
) -> None:
    root = replace(ROOT, visit_count=24, value_sum=0.0, leads_to_correct=True, leads_to_wrong=True)
    # Q of nodes 1 to 6: 1, 0.5, 0, 0, -0.5, -1; each but the first and the last lead both ways.
    values = [4.0, 2.0, 0.0, 0.0, -2.0, -4.0]
    steps = [node(k + 1, root, visits=4, value=value) for k, value in enumerate(values)]
    answers = []
    for step in steps:
        right = round((step.value_sum + 4) / 2)
        for correct, visits in ((True, right), (False, 4 - right)):
            if visits:
                number = 7 + len(answers)
                answers.append(answer_node(number, step, visits=visits, correct=correct))
    round_id = committed(database, (root, *steps, *answers))
    mining.mine(database, round_id)
    found = {pair[1:] for pair in pairs(database, round_id) if pair[0] is PairKind.STEP}
    assert found == {(1, 6), (1, 5), (2, 6), (2, 5)}
    assert integrity.violations(database) == []


def test_a_step_that_failed_or_was_never_visited_is_in_no_pair(database: Database) -> None:
    root = replace(ROOT, visit_count=1, value_sum=1.0, leads_to_correct=True)
    right = node(1, root, visits=1, value=1.0)
    failed = replace(node(2, root, visits=0, value=0.0), outcome=Outcome.RAISED)
    unvisited = node(3, root, visits=0, value=0.0)
    nodes = (root, right, failed, unvisited, answer_node(4, right, visits=1, correct=True))
    round_id = committed(database, nodes)
    mined = mining.mine(database, round_id)
    assert mined.pairs == 0


def two_ways(right_text: str, wrong_text: str) -> tuple[NodeRecord, ...]:
    """The tree of two ways, whose steps are these."""
    root, right, wrong, *answers = tree_of_two_ways()
    return (
        root,
        replace(right, text=f"{right_text}\n<end_of_step>"),
        replace(wrong, text=f"{wrong_text}\n<end_of_step>"),
        *answers,
    )


@pytest.mark.parametrize(
    ("right", "wrong"),
    [
        ("area = side * 3", "area = side * 3"),
        ("area = side * 3", "area = side*3"),
        ("# Step 1: the area\narea = side * 3", "# It is large.\narea = (side * 3)"),
        ("print('a b')", 'print("a b")  # said'),
        ("a = 1; b = 2", "a = 1\nb = 2"),
        ("f(a,)", "f(a)"),
        ("n = 1_000", "n = 1000"),
        ("a = 1 + \\\n    2", "a = 1 + 2"),
        ("not a program", "not a program"),
    ],
)
def test_two_steps_that_are_one_program_are_no_pair(
    database: Database, right: str, wrong: str
) -> None:
    round_id = committed(database, two_ways(right, wrong))
    for _ in range(2):
        assert mining.mine(database, round_id).pairs == 1
        assert pairs(database, round_id) == {(PairKind.ANSWER, 3, 4)}
    assert integrity.violations(database) == []


@pytest.mark.parametrize(
    ("right", "wrong"),
    [
        ("area = (side + 1) * 3", "area = side + (1 * 3)"),
        ("print('a b')", "print('ab')"),
        ("print('# 1')", "print('# 2')"),
        ("if a:\n    b = 1\nc = 2", "if a:\n    b = 1\n    c = 2"),
        ("Side = 1", "side = 1"),
    ],
)
def test_programs_that_only_look_alike_are_a_pair(
    database: Database, right: str, wrong: str
) -> None:
    round_id = committed(database, two_ways(right, wrong))
    assert mining.mine(database, round_id).pairs == 2


def test_a_pair_of_one_text_is_found_by_the_check(database: Database) -> None:
    """As versions of before have mined them from imported trees."""
    round_id = committed(database, two_ways("x = 1", "x = 1"))
    with database.begin() as connection:
        connection.execute(
            text(
                """
                INSERT INTO preference_pairs (round_id, search_id, kind, parent_no, chosen_no,
                       rejected_no, chosen_q, rejected_q, chosen_visits, rejected_visits)
                SELECT round_id, id, 'step', 0, 1, 2, 1, -1, 2, 1 FROM searches
                WHERE round_id = :round_id
                """
            ),
            {"round_id": round_id},
        )
    (found,) = integrity.violations(database)
    assert found.rule == "the two steps of a pair are not the same text"


def test_a_node_without_its_parent_is_found_by_the_check(database: Database) -> None:
    root = replace(ROOT, visit_count=1, value_sum=1.0, leads_to_correct=True)
    orphan = replace(node(5, root, visits=1, value=1.0), parent_no=3, kind=StepKind.CODE)
    committed(database, (root, orphan))
    assert "every node but the root has its parent" in {
        violation.rule for violation in integrity.violations(database)
    }


@pytest.mark.parametrize("count", [0, 1])
def test_a_round_without_done_searches_gives_nothing(database: Database, count: int) -> None:
    this_round = planned_round(database, count=count)
    mined = mining.mine(database, this_round.id)
    assert (mined.trajectories, mined.pairs) == (0, 0)
