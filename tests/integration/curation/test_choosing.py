"""What a spec takes from a database, and how it accounts for the rest."""

from __future__ import annotations

import pytest

from db.queries import datasets, mining, reviews, runs
from db.records.datasets import DatasetItemRecord, ExclusionRecord
from db.session import Database
from db.vocabulary import DatasetKind, ExclusionRule, ReviewDecision
from services.curation.choosing import Choice, choose
from services.curation.decontamination import Benchmark
from services.curation.spec import CurationSpec, preference_spec, sft_spec
from services.errors import ConfigurationError
from services.profiles import PpmProfile, SftProfile
from tests.integration.curation.forests import (
    OTHER,
    RENAMED,
    RIGHT,
    TEMPLATES,
    WRONG,
    Way,
    problem_ids,
    searched_run,
)


def chosen(database: Database, run_id: int, **spec: object) -> Choice:
    made = choose(database, run_id, CurationSpec.model_validate(spec))
    assert made.candidates == len(made.items) + sum(made.dropped.values())
    return made


def codes(items: tuple[DatasetItemRecord, ...]) -> list[str]:
    return [item.chosen.split("\n")[0] for item in items]


def test_the_default_takes_the_two_best_correct_solutions_of_a_problem(
    database: Database,
) -> None:
    run = searched_run(database, [(RIGHT, RENAMED, OTHER, WRONG), (WRONG,), (RIGHT,)])
    choice = choose(database, run.id, sft_spec(SftProfile(), 1))
    first, _, third = problem_ids(database, run)
    assert [item.problem_id for item in choice.items] == [first, first, third]
    assert all(item.correct and item.q_value == 1.0 for item in choice.items)
    assert choice.dropped == {"trajectories.verdicts": 2, "trajectories.a_problem": 1}


@pytest.mark.parametrize("spec", [sft_spec(SftProfile(), 1), preference_spec(PpmProfile(), 1)])
def test_a_problem_whose_ground_truth_is_wrong_gives_nothing(
    database: Database, spec: CurationSpec
) -> None:
    run = searched_run(database, [(RIGHT, WRONG), (RIGHT, WRONG), (RIGHT, WRONG)])
    wrong, not_looked_at, right = problem_ids(database, run)
    reviews.mark(database, wrong, ReviewDecision.MISLABELLED, "it is 5")
    reviews.mark(database, right, ReviewDecision.OK, "")
    choice = choose(database, run.id, spec)
    assert {item.problem_id for item in choice.items} == {not_looked_at, right}
    assert choice.dropped["review"] > 0


def test_an_item_carries_its_steps_with_their_q(database: Database) -> None:
    run = searched_run(database, [(RIGHT, WRONG)])
    (item,) = chosen(database, run.id, kind="sft").items
    assert item.step_lengths is not None
    assert sum(item.step_lengths) == len(item.chosen)
    first = item.chosen[: item.step_lengths[0]]
    assert (first, item.step_q, item.depth) == ("x = 2 + 2\n<end_of_step>\n", (1.0, 1.0, 1.0), 3)
    assert item.solve_rate == pytest.approx(3 / 5)


def test_the_default_takes_every_pair_the_widest_first(database: Database) -> None:
    run = searched_run(database, [(RIGHT, OTHER, WRONG), (RIGHT, WRONG)])
    choice = choose(database, run.id, preference_spec(PpmProfile(), 1))
    (round_id,) = choice.round_ids
    assert len(choice.items) == mining.mine(database, round_id).pairs > 4
    assert [item.margin for item in choice.items] == [2.0] * len(choice.items)
    assert {item.weight for item in choice.items} == {1.0}
    limited = choose(database, run.id, preference_spec(PpmProfile(max_pairs=2), 1))
    assert limited.items == choice.items[:2]


def test_programs_that_differ_in_names_alone_are_taken_once(database: Database) -> None:
    run = searched_run(database, [(RIGHT, RENAMED, OTHER)])
    assert codes(chosen(database, run.id, kind="sft").items) == ["x = 2 + 2", "sum_ = 2 + 2  # add"]
    distinct = chosen(database, run.id, kind="sft", texts={"distinct": "code"})
    assert codes(distinct.items) == ["x = 2 + 2", "y = 2 * 2"]
    assert distinct.dropped == {"texts.distinct": 1}
    outputs = chosen(database, run.id, kind="sft", texts={"distinct": "outputs"})
    assert codes(outputs.items) == ["x = 2 + 2"]


def test_a_solution_of_an_earlier_round_is_not_taken_twice(database: Database) -> None:
    run = searched_run(database, [(RIGHT, OTHER)], rounds=2)
    assert len(chosen(database, run.id, kind="sft").items) == 2
    assert len(chosen(database, run.id, kind="sft", rounds=(1,)).items) == 2
    newest = chosen(database, run.id, kind="sft", rounds="newest")
    assert newest.round_ids == (runs.rounds_of(database, run.id)[-1].id,)


@pytest.mark.parametrize(
    ("rules", "dropped"),
    [
        ({"trajectories": {"min_visits": 2}}, {"trajectories.min_visits": 1}),
        ({"trajectories": {"max_steps": 2}}, {"trajectories.max_steps": 3}),
        ({"trajectories": {"a_problem": 1}}, {"trajectories.a_problem": 1}),
        ({"problems": {"min_solve_rate": 0.5}}, {"problems.min_solve_rate": 1}),
        ({"problems": {"max_solve_rate": 0.5}}, {"problems.max_solve_rate": 2}),
        ({"texts": {"max_characters": 40}}, {"texts.max_characters": 3}),
        ({"texts": {"min_characters": 9999}}, {"texts.min_characters": 3}),
        ({"problems": {"template": "source", "a_template": 1}}, {"problems.a_template": 2}),
        ({"max_items": 1}, {"max_items": 2}),
    ],
)
def test_each_rule_counts_what_it_leaves_out(
    database: Database, rules: dict[str, object], dropped: dict[str, int]
) -> None:
    run = searched_run(database, [(RIGHT, OTHER, WRONG), (RIGHT, WRONG, WRONG)])
    # The solve rates are 4/6 and 3/7.
    choice = chosen(database, run.id, kind="sft", **rules)
    wrong = choice.dropped["trajectories.verdicts"]
    assert choice.dropped == {"trajectories.verdicts": wrong, **dropped}


def test_steps_that_are_nearly_the_same_text_are_no_pair(database: Database) -> None:
    run = searched_run(database, [(RIGHT, WRONG)])
    spec = {"kind": "preference", "pairs": {"kinds": ["step"], "min_edit_distance": 2}}
    choice = chosen(database, run.id, **spec)
    assert (len(choice.items), choice.dropped["pairs.min_edit_distance"]) == (0, 1)
    spec["pairs"] = {"kinds": ["step"], "min_edit_distance": 1}
    assert len(chosen(database, run.id, **spec).items) == 1


def test_a_margin_may_be_asked_for(database: Database) -> None:
    mixed = Way(("x = 1", "print(x)"), 2, correct=True), WRONG
    run = searched_run(database, [mixed])
    pairs = chosen(database, run.id, kind="preference", pairs={"min_margin": 2.0})
    assert [item.margin for item in pairs.items] == [2.0, 2.0]
    with_visits = chosen(database, run.id, kind="preference", pairs={"min_visits": 3})
    assert with_visits.dropped == {"pairs.min_visits": 2}


def test_visits_and_margin_weigh_a_pair(database: Database) -> None:
    run = searched_run(database, [(RIGHT, WRONG)])
    pairs = {"kinds": ["step"], "weighting": "margin_and_visits"}
    (item,) = chosen(database, run.id, kind="preference", pairs=pairs).items
    assert item.weight == pytest.approx(2 / 3)  # margin 2, the less visited step has 2 visits


def test_bands_of_difficulty_are_made_even(database: Database) -> None:
    easy, hard = (RIGHT,), (Way(("a = 1", "print(a)"), 1, correct=True), WRONG, WRONG)
    run = searched_run(database, [easy, easy, easy, hard])
    balance = {"edges": [0.5], "even": True}
    choice = chosen(database, run.id, kind="sft", problems={"balance": balance})
    first, *_, last = problem_ids(database, run)
    assert [item.problem_id for item in choice.items] == [first, last]
    assert choice.dropped["problems.balance"] == 2


def test_templates_are_told_by_their_questions_without_numbers(database: Database) -> None:
    run = searched_run(database, [(RIGHT,)] * 5)
    rules = {"template": "numbers", "a_template": 1}
    choice = chosen(database, run.id, kind="sft", problems=rules)
    assert [item.problem_id for item in choice.items] == problem_ids(database, run)[:2]


def test_contaminated_and_repeated_problems_are_left_out_with_the_evidence(
    database: Database,
) -> None:
    run = searched_run(database, [(RIGHT,)] * 4)
    benchmark = Benchmark("bench.jsonl", "0" * 64, {"item 9": TEMPLATES[1].format(1, 3)})
    spec = CurationSpec.model_validate({"kind": "sft", "problems": {"near_duplicates": 0.25}})
    choice = choose(database, run.id, spec, [benchmark])
    first, second, third, fourth = problem_ids(database, run)
    assert [item.problem_id for item in choice.items] == [first, fourth]
    assert choice.dropped == {"near_duplicate": 1, "ngram": 1}
    found = {exclusion.problem_id: exclusion for exclusion in choice.exclusions}
    assert found[third].duplicate_of == first
    assert found[second] == ExclusionRecord(
        problem_id=second,
        rule=ExclusionRule.NGRAM,
        score=1.0,
        evidence="what is 1 less 3 ?",
        benchmark="bench.jsonl",
        benchmark_item="item 9",
    )


def test_the_bootstrap_set_follows_unless_its_problem_is_contaminated(
    database: Database,
) -> None:
    run = searched_run(database, [(RIGHT,)] * 2)
    ids = problem_ids(database, run)
    reference = [DatasetItemRecord(k, f"problem {k}", "prompt", f"solution {k}") for k in ids]
    datasets.create(
        database, run_id=run.id, round_number=0, kind=DatasetKind.SFT, spec={}, items=reference
    )
    spec = CurationSpec(kind=DatasetKind.SFT, bootstrap=True)
    assert len(choose(database, run.id, spec).items) == 4
    benchmark = Benchmark("b", "0" * 64, {"x": TEMPLATES[0].format(0, 2)})
    left = choose(database, run.id, spec, [benchmark])
    assert [item.problem_id for item in left.items] == [ids[1], ids[1]]
    assert left.dropped == {"ngram": 2}


def test_stepwise_items_hold_both_verdicts(database: Database) -> None:
    run = searched_run(database, [(RIGHT, WRONG)])
    rules = {"verdicts": "both"}
    choice = chosen(database, run.id, kind="stepwise", trajectories=rules)
    assert [item.correct for item in choice.items] == [True, False]
    assert choice.items[1].step_q == (-1.0, -1.0, -1.0)


def test_a_round_that_the_run_does_not_have_is_named(database: Database) -> None:
    run = searched_run(database, [(RIGHT,)])
    with pytest.raises(ConfigurationError, match=r"no round 7 \(rounds: 1\)"):
        chosen(database, run.id, kind="sft", rounds=(1, 7))
