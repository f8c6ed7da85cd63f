"""Questions about problems, pairs and training rows, asked of trees that are worked out by hand."""

from __future__ import annotations

from dataclasses import replace

from sqlalchemy import text

from db.queries import checkpoints, datasets, problems, runs
from db.records.datasets import DatasetItemRecord
from db.session import Database
from db.vocabulary import (
    CheckpointKind,
    DatasetKind,
    Split,
    StageName,
    StepKind,
)
from tests.factories import (
    correct_trajectories,
    stored_run,
    tree_of_two_ways,
)
from tests.integration.db.cookbook.asking import Tree, ask, one_way, plain, searched


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
    runs.begin_stage(database, run_id=run.id, round_number=1, name=StageName.SEARCH, gpus=4)
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
    runs.begin_stage(database, run_id=run.id, round_number=1, name=StageName.SEARCH)
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
    (problem, _) = problems.of_run(database, run.id, Split.TRAIN)
    bootstrap = datasets.create(
        database,
        run_id=run.id,
        round_number=0,
        kind=DatasetKind.PREFERENCE,
        spec={},
        items=[DatasetItemRecord(problem_id=problem.id, group_key="g", prompt="p", chosen="c")],
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
    version = datasets.create(
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
        "dataset version": f"{version.id}, sft of round 1 of run",
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
    facts = {
        str(row["what"]): row["value"]
        for row in ask(database, "training-row", dataset=str(bootstrap.id))
    }
    assert facts["made from"] == "the reference solution of the problem"
    assert ask(database, "training-row", position="1") == []


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
