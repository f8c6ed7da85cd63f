"""Trees of the released code become a run whose labels are theirs, or nothing is stored."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from db.bulk import read_trees
from db.errors import DatabaseError
from db.queries import datasets, integrity, problems, runs
from db.records.searches import NodeRecord
from db.session import Database
from db.vocabulary import DatasetKind, Outcome, StepKind, TerminalReason, Verdict
from services.curation.spec import CurationSpec
from services.curation.versions import create_version, find_run
from services.errors import ConfigurationError, TreeImportError
from services.problems.records import content_hash
from services.profiles import Profile
from services.released.importing import import_trees
from services.steps import root_prompt
from tests.factories import new_problem
from tests.integration.released.trees import States, record, sampled, scored, state, written


def stored(database: Database, run: str) -> list[tuple[NodeRecord, ...]]:
    (this_round,) = runs.rounds_of(database, find_run(database, run).id)
    with database.begin() as connection:
        return [nodes for _, nodes in read_trees(connection, this_round.id)]


def test_a_sampled_tree_keeps_its_labels(database: Database, tmp_path: Path) -> None:
    imported = import_trees(database, [written(tmp_path / "a.jsonl", record(sampled()))], run="r")
    assert (imported.trees, imported.nodes, imported.solved) == (1, 8, 1)
    (nodes,) = stored(database, "r")
    root, first, failed, right, wrong, deep, answer, miss = nodes
    assert (root.visit_count, root.value_sum, root.leads_to_correct) == (2, 0.0, True)
    assert (first.kind, first.text, first.visit_count) == (
        StepKind.CODE,
        "# Step 1: Add\nx = 2 + 2\n<end_of_step>",
        2,
    )
    assert (failed.outcome, failed.visit_count) == (Outcome.RAISED, 0)
    assert failed.error == "NameError: name 'y' is not defined"
    assert (right.kind, right.observation, right.value_sum) == (StepKind.FINAL_CODE, "4", 1.0)
    assert (wrong.leads_to_wrong, wrong.leads_to_correct) == (True, False)
    assert (deep.terminal_reason, deep.visit_count) == (TerminalReason.MAX_DEPTH, 0)
    assert (answer.verdict, answer.parent_no) == (Verdict.EQUAL, right.node_no)
    assert answer.text == "The answer is \\boxed{4}.<end_of_answer>"
    assert (miss.verdict, miss.reward) == (Verdict.DIFFERENT, -1.0)
    assert integrity.violations(database) == []


def test_the_score_of_a_reward_model_is_a_prior(database: Database, tmp_path: Path) -> None:
    six = record(scored(), "What is 3 + 3?", "6")
    import_trees(database, [written(tmp_path / "a.jsonl", six)], run="r")
    ((root, right, other, _),) = stored(database, "r")
    assert (root.prior, root.visit_count) == (None, 1)
    assert (right.prior, right.visit_count, right.value_sum) == (0.5, 1, 1.5)
    assert (other.prior, other.visit_count, other.value_sum) == (-0.25, 0, -0.25)
    assert integrity.violations(database) == []


def test_an_imported_run_is_mined_and_gives_datasets(database: Database, tmp_path: Path) -> None:
    files = [
        written(tmp_path / "a.jsonl", record(sampled()), record(sampled())),
        written(tmp_path / "b.jsonl", record(scored(), "What is 3 + 3?", "6")),
    ]
    imported = import_trees(database, files, run="theirs")
    assert (imported.trees, imported.problems, imported.trajectories) == (3, 2, 5)
    assert imported.pairs == 4  # of each tree of 2 + 2 a step pair and a pair of answers
    run = find_run(database, "theirs")
    assert Profile.model_validate(run.profile).rounds[0].search.candidates == 3
    version = create_version(database, "sft", CurationSpec(kind=DatasetKind.SFT), run=run).version
    texts = {(item.prompt, item.chosen) for item in datasets.items(database, version.id)}
    assert (
        root_prompt("What is 2 + 2?"),
        "# Step 1: Add\nx = 2 + 2\n<end_of_step>\n# Now print the final answer\nprint(x)\n"
        "<end_of_code>\n<output>4<end_of_output>\n<answer>The answer is \\boxed{4}.<end_of_answer>",
    ) in texts
    with pytest.raises(ConfigurationError, match="There is a run theirs already"):
        import_trees(database, files, run="theirs")


def test_a_step_that_failed_and_was_gone_on_from_keeps_its_error(
    database: Database, tmp_path: Path
) -> None:
    states = sampled()
    states["0.1"]["observation"] = "ZeroDivisionError: division by zero"
    import_trees(database, [written(tmp_path / "a.jsonl", record(states))], run="r")
    first = stored(database, "r")[0][1]
    assert (first.outcome, first.error) == (Outcome.OK, "ZeroDivisionError: division by zero")


def _without(tag: str) -> Callable[[States], object]:
    return lambda states: states.pop(tag)


def _with(tag: str, **fields: object) -> Callable[[States], object]:
    return lambda states: states[tag].update(fields)


def _and(tag: str, added: dict[str, object]) -> Callable[[States], object]:
    return lambda states: states.update({tag: added})


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (_without("0"), "no root"),
        (_without("0.1.1"), r"node 0\.1\.1\.1 has no parent 0\.1\.1"),
        (_with("0.1", visit_count=5), r"node 0\.1 has 5 visits where 2 answers stand below"),
        (_with("0.1", q_value=0.5), r"node 0\.1 has q_value 0.5 after 2 visits"),
        (_with("0.1.1.1", q_value=0.31), r"node 0\.1\.1\.1 .*is_sampling: False"),
        (_with("0.1", q_value="much"), r"node 0\.1 has no number in 'q_value'"),
        (_with("0.1", q_value=float("nan")), r"node 0\.1 has no number in 'q_value'"),
        (_with("0.1", text=None), r"node 0\.1 has no text in 'text'"),
        (_and("0.x", {}), "'0.x' where a node's tag belongs"),
        (_and("solutions", {}), "beam search"),
        (_and("0.1.1.1.1", state("x", q=1.0, visits=1)), "is an answer and has children"),
    ],
)
def test_a_tree_that_is_not_one_is_refused_with_its_node_and_nothing_is_stored(
    database: Database, tmp_path: Path, change: Callable[[States], object], said: str
) -> None:
    states = copy.deepcopy(sampled())
    change(states)
    path = written(tmp_path / "trees.jsonl", record(sampled()), record(states))
    with pytest.raises(TreeImportError, match=rf"trees\.jsonl line 2.*{said}"):
        import_trees(database, [path], run="r")
    assert runs.names(database) == []


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ('{"question": ', "line 1 is not JSON"),
        ('{"question": "What?", "answer": "4"}', "no tree in 'rstar'"),
        ('{"rstar": {}, "answer": "4"}', "line 1"),
        ("", "no tree in it"),
    ],
)
def test_a_file_of_something_else_is_refused(
    database: Database, tmp_path: Path, line: str, said: str
) -> None:
    path = tmp_path / "trees.jsonl"
    path.write_text(line)
    with pytest.raises(TreeImportError, match=said):
        import_trees(database, [path], run="r")
    assert runs.names(database) == []


def test_all_that_cannot_be_used_is_named_or_left_out_with_the_reasons(
    database: Database, tmp_path: Path
) -> None:
    broken = copy.deepcopy(sampled())
    broken.pop("0")
    path = written(
        tmp_path / "trees.jsonl",
        record(sampled()),
        record(broken),
        record(sampled(), answer="4.0"),
        record(sampled(), answer="5"),
        record(scored(), "What is 3 + 3?", "6"),
    )
    with path.open("a") as file:
        file.write("{not JSON\n")
    with pytest.raises(TreeImportError, match=r"3 entries cannot be used.*--skip-bad") as caught:
        import_trees(database, [path], run="r")
    for line in (2, 4, 6):
        assert f"trees.jsonl line {line}" in str(caught.value)
    assert runs.names(database) == []
    rejects = tmp_path / "rejects.jsonl"
    imported = import_trees(database, [path], run="r", rejects=rejects)
    assert (imported.trees, imported.problems, imported.left_out) == (3, 2, 3)
    left_out = [json.loads(line) for line in rejects.read_text().splitlines()]
    assert [entry["where"] for entry in left_out] == [
        f"trees.jsonl line {line}" for line in (2, 4, 6)
    ]
    assert "answers '5' to the question of trees.jsonl line 1" in left_out[1]["reason"]
    assert integrity.violations(database) == []


def test_a_question_stored_with_another_answer_stops_the_import_as_a_whole(
    database: Database, tmp_path: Path
) -> None:
    stored_with = new_problem("What is 2 + 2?", "5")
    digest = content_hash(stored_with.question)
    problems.import_all(database, [replace(stored_with, content_hash=digest)])
    files = [
        written(tmp_path / "a.jsonl", record(scored(), "What is 3 + 3?", "6")),
        written(tmp_path / "b.jsonl", record(sampled())),
    ]
    with pytest.raises(DatabaseError, match="with the answer '5'"):
        import_trees(database, files, run="r")
    assert runs.names(database) == []
    assert sum(row.problems for row in problems.count_by_source(database)) == 1
