"""Each question of the cookbook, asked of trees that are worked out by hand."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from decimal import Decimal

import pytest
from sqlalchemy import text

from db import cookbook
from db.errors import DatabaseError, QueryRejected
from db.queries import checkpoints, datasets, mining, problems, readonly, runs, searches
from db.queries import statistics as statistic_queries
from db.records.datasets import DatasetItemRecord
from db.records.runs import RoundRow, RunRow
from db.records.searches import NodeRecord
from db.session import Database
from db.vocabulary import (
    CheckpointKind,
    DatasetKind,
    Outcome,
    Split,
    StepKind,
    TerminalReason,
    Verdict,
)
from tests.factories import (
    ROOT,
    answer_node,
    claimed,
    correct_trajectories,
    node,
    result,
    stored_run,
    tree_of_two_ways,
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


def test_there_are_fifteen_interactive_questions_and_each_says_what_it_takes() -> None:
    recipes = cookbook.recipes()
    interactive = [r for r in recipes if r.time is cookbook.AnswerTime.INTERACTIVE]
    assert len(interactive) == 15
    for recipe in recipes:
        assert recipe.question.endswith("?")
        assert {parameter.name for parameter in recipe.parameters} == set(
            cookbook.placeholders(recipe.sql)
        )


@pytest.mark.parametrize("recipe", cookbook.recipes(), ids=lambda recipe: recipe.name)
def test_an_empty_database_answers_every_question_with_no_rows(
    database: Database, recipe: cookbook.Recipe
) -> None:
    answer = readonly.run(database, recipe.sql, recipe.values({}))
    assert answer.rows == ()
    assert answer.columns


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


def test_problems_that_flip_between_rounds(database: Database) -> None:
    run = stored_run(database, count=5)
    right, wrong = one_way(correct=True), one_way(correct=False)
    searched(database, run, 1, [right, wrong, wrong, right])
    searched(database, run, 2, [right, tree_of_two_ways(), wrong, wrong])
    ids = [p.id for p in problems.of_run(database, run.id, Split.TRAIN)]
    assert plain(
        ask(database, "flips"), "problem_id", "flip", "solve_rate_before", "solve_rate_after"
    ) == [(ids[3], "lost", 1.0, 0.0), (ids[1], "gained", 0.0, 0.6667)]
    assert ask(database, "flips", before="1", after="1") == []


def test_rollouts_that_agree_against_the_ground_truth_point_at_a_label_error(
    database: Database,
) -> None:
    root, step, answer = one_way(correct=False, visits=6)
    agreeing = (root, step, replace(answer, text=r"The answer is \boxed{ \frac{1}{2} }."))
    searched(database, stored_run(database), 1, [agreeing, tree_of_two_ways()])
    (row,) = ask(database, "label-errors")
    assert plain([row], "rollouts_say", "top_wrong_rollouts", "rollouts", "agreement") == [
        (r"\frac{1}{2}", 6, 6, 1.0)
    ]
    assert ask(database, "label-errors", rollouts="7") == []


def test_yield_per_gpu_hour_and_per_million_tokens(database: Database) -> None:
    run = stored_run(database)
    searched(database, run, 1, [tree_of_two_ways(), one_way(correct=True)])
    runs.begin_stage(database, run_id=run.id, round_number=1, name="search", gpus=4)
    with database.begin() as connection:
        connection.execute(text("UPDATE stages SET seconds = 1800"))
    (row,) = ask(database, "yield")
    # 2 correct trajectories and 2 pairs in 2 GPU-hours, from 100 tokens.
    assert plain(
        [row],
        "gpu_hours",
        "correct_trajectories_per_gpu_hour",
        "pairs_per_gpu_hour",
        "correct_trajectories_per_million_tokens",
        "pairs_per_million_tokens",
    ) == [(2.0, 1.0, 1.0, 20000.0, 20000.0)]
    (row,) = ask(database, "yield", gpus="8")
    assert plain([row], "gpu_hours", "pairs_per_gpu_hour") == [(4.0, 0.5)]


def test_the_yield_of_a_round_whose_gpus_are_not_known_is_empty(database: Database) -> None:
    run = stored_run(database)
    searched(database, run, 1, [tree_of_two_ways()])
    runs.begin_stage(database, run_id=run.id, round_number=1, name="search")
    (row,) = ask(database, "yield")
    assert plain([row], "gpu_hours", "pairs_per_gpu_hour", "pairs") == [(None, None, 2)]


def test_pairs_are_scarce_where_no_prefix_is_contested(database: Database) -> None:
    searched(database, stored_run(database), 1, [tree_of_two_ways(), one_way(correct=True)])
    assert plain(
        ask(database, "pair-scarcity"),
        *("kind", "depth", "prefixes", "contested_prefixes", "paired_prefixes", "pairs"),
        *("paired_share", "mean_margin"),
    ) == [("step", 1, 2, 1, 1, 1, 0.5, 2.0), ("answer", 0, 2, 1, 1, 1, 0.5, 2.0)]


def test_a_training_row_is_traced_to_its_program_run(database: Database) -> None:
    run = stored_run(database)
    bootstrap = datasets.create(
        database,
        run_id=run.id,
        round_number=0,
        kind=DatasetKind.PREFERENCE,
        spec={},
        items=[DatasetItemRecord(problem_id=2, group_key="g", prompt="p", chosen="c")],
    )
    ppm = checkpoints.record(
        database,
        run_id=run.id,
        round_number=0,
        kind=CheckpointKind.PPM,
        path="/models/ppm",
        started_from="base",
        dataset_id=bootstrap.id,
        content_hash="abc",
        metrics={},
    )
    this_round = searched(database, run, 1, [tree_of_two_ways()], ppm=ppm.id)
    (best,) = correct_trajectories(database, this_round.id)
    datasets.create(
        database,
        run_id=run.id,
        round_number=1,
        kind=DatasetKind.SFT,
        spec={},
        items=[
            DatasetItemRecord(
                problem_id=best.problem_id,
                group_key="g",
                prompt="p",
                chosen="c",
                trajectory_id=best.trajectory_id,
            )
        ],
    )
    facts = {str(row["what"]): row["value"] for row in ask(database, "training-row")}
    assert facts.pop("finished at")
    assert facts == {
        "dataset version": "2, sft of round 1 of run",
        "position": "0",
        "made from": f"trajectory {best.trajectory_id}",
        "problem": str(best.problem_id),
        "search": f"{best.search_id}, round 1 of run",
        "seed": "1",
        "policy": "the bootstrap endpoint's model",
        "PPM": f"checkpoint {ppm.id}, /models/ppm, abc",
        "sandbox": "fake",
        "step 1 (node 1)": "ok, Q 1.0000, 2 rollouts, 0 s\nstep 1\n<end_of_step>",
        "step 2 (node 3)": "ok, Q 1.0000, 2 rollouts, 0 s\nanswer 3",
    }
    facts = {str(row["what"]): row["value"] for row in ask(database, "training-row", dataset="1")}
    assert facts["made from"] == "the reference solution of the problem"
    assert ask(database, "training-row", position="1") == []


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


def test_an_answer_that_does_not_say_what_was_printed_is_found(database: Database) -> None:
    def said(box: str, printed: str) -> Tree:
        root, step, answer = one_way(correct=False)
        final = replace(step, kind=StepKind.FINAL_CODE, observation=printed)
        return (root, final, replace(answer, text=f"The answer is \\boxed{{{box}}}"))

    trees = [
        said("42", "noise\n41"),
        said("1,000", "1000.0\n"),
        said(r"\frac{1}{2}", "0.5"),
        said("9" * 40, "8" * 200_000),
        said("7", ""),
    ]
    searched(database, stored_run(database, count=6), 1, trees)
    assert plain(
        ask(database, "answer-disagreement"), "disagreeing_answers", "printed", "said", "verdict"
    ) == [(1, "noise\n41", r"The answer is \boxed{42}", "different")]


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


def test_solve_rates_by_source(database: Database) -> None:
    run = stored_run(database, count=4)
    with database.begin() as connection:
        connection.execute(
            text(
                "UPDATE problems SET source = 'gym:other' WHERE id = (SELECT max(id) FROM problems)"
            )
        )
    right, wrong = one_way(correct=True), one_way(correct=False)
    searched(database, run, 1, [right, tree_of_two_ways(), wrong])
    assert plain(
        ask(database, "solve-rate-by-source"),
        *("source", "problems", "solved", "solved_share", "solve_rate", "tokens_per_problem"),
    ) == [("gym:other", 1, 0, 0.0, 0.0, 50.0), ("test", 2, 2, 1.0, 0.8571, 50.0)]


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


def test_a_recipe_or_a_parameter_that_is_not_there_is_named() -> None:
    with pytest.raises(QueryRejected, match=r"no recipe 'yeld'\. It has .*yield"):
        cookbook.recipe("yeld")
    with pytest.raises(QueryRejected, match=r"no recipe '\.\./yield'"):
        cookbook.recipe("../yield")
    with pytest.raises(QueryRejected, match="yield takes --run, --gpus; not --limit"):
        cookbook.recipe("yield").values({"limit": "3"})
    with pytest.raises(QueryRejected, match=r"--gpus .* takes a value of type number, not 'x'"):
        cookbook.recipe("yield").values({"gpus": "x"})
