"""Questions about steps, asked of trees that are worked out by hand."""

from __future__ import annotations

from dataclasses import replace

from db.session import Database
from db.vocabulary import (
    TerminalReason,
)
from tests.factories import (
    ROOT,
    answer_node,
    node,
    stored_run,
    tree_of_two_ways,
)
from tests.integration.db.cookbook.asking import ask, failed, one_way, plain, searched


def test_failing_steps_are_counted_by_depth_kind_and_error(database: Database) -> None:
    tree = tree_of_two_ways()
    nodes = (
        *tree,
        failed(5, tree[0], "NameError: name 'x' is not defined", tokens=7),
        failed(6, tree[1], "NameError: name 'y' is not defined", tokens=2),
        failed(7, tree[1], "NameError: name 'z' is not defined", tokens=2),
        failed(8, tree[1], None, tokens=5),
        failed(9, tree[1], "<b>", tokens=1),
    )
    searched(database, stored_run(database), 1, [nodes])
    rows = ask(database, "failing-steps")
    assert plain(
        rows, "depth", "outcome", "error_type", "failed_steps", "share_at_depth", "generated_tokens"
    ) == [
        (2, "raised", "NameError", 2, 0.3333, 4),
        (1, "raised", "NameError", 1, 0.3333, 7),
        (2, "raised", "other", 1, 0.1667, 1),
        (2, "timed_out", "", 1, 0.1667, 5),
    ]


def test_q_separates_by_the_area_under_its_curve(database: Database) -> None:
    root = replace(ROOT, visit_count=2, value_sum=0.0, leads_to_correct=True, leads_to_wrong=True)
    mixed = node(1, root, visits=2, value=0.0)
    both = (
        root,
        mixed,
        answer_node(2, mixed, visits=1, correct=True),
        answer_node(3, mixed, visits=1, correct=False),
    )
    searched(database, stored_run(database), 1, [tree_of_two_ways(), both])
    # Depth 1: Q 1 with 2 correct, Q 0 with one of each, Q -1 with 1 wrong: (2 * 2 + 1.5) / (3 * 2).
    assert plain(
        ask(database, "q-separation"), "depth", "correct_rollouts", "wrong_rollouts", "auc"
    ) == [(1, 3.0, 2.0, 0.9167), (2, 3.0, 2.0, 1.0)]


def test_the_searches_that_wasted_most_come_first(database: Database) -> None:
    tree = tree_of_two_ways()
    unvisited = replace(node(5, tree[0], visits=0, value=0.0), generated_tokens=4)
    trees = [(*tree, unvisited), (*tree, unvisited, failed(6, tree[1], "E: e", tokens=6))]
    searched(database, stored_run(database), 1, trees)
    assert plain(
        ask(database, "wasted-tokens"), "failed_steps", "wasted_tokens", "wasted_share"
    ) == [(1, 10, 0.2), (0, 4, 0.08)]
    assert len(ask(database, "wasted-tokens", limit="1")) == 1


def test_the_deepest_dead_end_says_why_it_ended(database: Database) -> None:
    root = replace(ROOT, visit_count=3, value_sum=-3.0, leads_to_wrong=True)
    shallow = replace(
        node(1, root, visits=1, value=-1.0),
        terminal_reason=TerminalReason.EXECUTION_ERRORS,
        reward=-1.0,
    )
    step = node(2, root, visits=2, value=-2.0)
    deep = replace(
        node(3, step, visits=2, value=-2.0), terminal_reason=TerminalReason.MAX_DEPTH, reward=-1.0
    )
    trees = [one_way(correct=True), (root, shallow, step, deep)]
    searched(database, stored_run(database), 1, trees)
    assert plain(
        ask(database, "dead-ends"), "depth", "node_no", "terminal_reason", "visit_count", "text"
    ) == [(2, 3, "max_depth", 2, "step 3\n<end_of_step>")]


def test_duplicates_are_candidates_beyond_the_distinct_steps(database: Database) -> None:
    root, right, wrong, *answers = tree_of_two_ways()
    nodes = (root, replace(right, proposals=4), replace(wrong, proposals=1), *answers)
    searched(database, stored_run(database), 1, [nodes])
    assert plain(
        ask(database, "duplicates"), "depth", "candidates", "distinct_steps", "duplicate_rate"
    ) == [(1, 5, 2, 0.6), (2, 2, 2, 0.0)]


def test_errors_are_compared_from_round_to_round(database: Database) -> None:
    run = stored_run(database)
    tree = tree_of_two_ways()
    searched(database, run, 1, [(*tree, *(failed(n, tree[0], "E: e") for n in range(5, 9)))])
    searched(database, run, 2, [(*tree, failed(5, tree[0], "E: e"), failed(6, tree[0], None))])
    assert plain(
        ask(database, "errors-by-round"),
        "outcome",
        "error_type",
        "round",
        "steps",
        "share_of_steps",
    ) == [
        ("raised", "E", 1, 4, 0.5),
        ("raised", "E", 2, 1, 0.1667),
        ("timed_out", "", 2, 1, 0.1667),
    ]


def test_priors_are_compared_with_what_the_rollouts_gave(database: Database) -> None:
    root = replace(ROOT, visit_count=3, value_sum=1.0, leads_to_correct=True, leads_to_wrong=True)
    right = replace(node(1, root, visits=2, value=2.0), prior=0.5, value_sum=2.5)
    wrong = replace(node(2, root, visits=1, value=-1.0), prior=0.75, value_sum=-0.25)
    answers = (
        answer_node(3, right, visits=2, correct=True),
        answer_node(4, wrong, visits=1, correct=False),
    )
    searched(database, stored_run(database), 1, [(root, right, wrong, *answers)])
    assert plain(
        ask(database, "prior-calibration"),
        *("prior_from", "steps", "mean_prior", "mean_value", "error"),
    ) == [(0.5, 1, 0.5, 1.0, 0.5), (0.75, 1, 0.75, -1.0, 1.75)]


def test_the_slowest_step_of_each_search(database: Database) -> None:
    root, right, wrong, *answers = tree_of_two_ways()
    slow = (
        root,
        replace(right, wall_seconds=0.5),
        replace(wrong, wall_seconds=1.5, error="slow"),
        *answers,
    )
    quick = (root, replace(right, wall_seconds=0.25), wrong, *answers)
    searched(database, stored_run(database, count=4), 1, [quick, slow, tree_of_two_ways()])
    assert plain(
        ask(database, "sandbox-hot-spots"), "node_no", "seconds", "share_of_search", "error"
    ) == [(2, 1.5, 0.75, "slow"), (1, 0.25, 1.0, None)]


def test_failing_wordings_are_read_from_the_steps_themselves(database: Database) -> None:
    tree = tree_of_two_ways()
    nodes = (
        *tree,
        replace(failed(5, tree[0], "NameError: x"), text="# Step 1: add 3 apples\nx"),
        replace(failed(6, tree[1], "NameError: x"), text="# Step 2: add 47 apples\nx"),
    )
    searched(database, stored_run(database), 1, [nodes])
    rows = ask(database, "failing-wordings", at_least="1")
    assert plain(rows, "wording", "steps", "failed", "most_common_error") == [
        ("# Step #: add # apples", 2, 2, "NameError")
    ]
