"""Named versions: immutable, made again to the same content, and explained."""

from __future__ import annotations

import json
from io import StringIO
from pathlib import Path

import pytest
from rich.console import Console
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from db.queries import datasets, datasheets
from db.session import Database
from db.vocabulary import DatasetKind
from services.cli.dataset_view import Datasheet, render_datasheet, render_difference
from services.curation.spec import CurationSpec
from services.curation.versions import create_version, find_run, find_version, manifest_of
from services.errors import ConfigurationError, DatasetEmpty
from tests.factories import stored_round
from tests.integration.curation.forests import (
    OTHER,
    RIGHT,
    TEMPLATES,
    WRONG,
    problem_ids,
    search_round,
    searched_run,
)

SFT = CurationSpec(kind=DatasetKind.SFT)
PAIRS = CurationSpec(kind=DatasetKind.PREFERENCE)


def printed(renderable: object) -> str:
    console = Console(width=160, file=StringIO())
    console.print(renderable)
    return console.file.getvalue()  # type: ignore[attr-defined]


def test_the_same_again_is_the_same_content_and_says_so(database: Database) -> None:
    run = searched_run(database, [(RIGHT, OTHER, WRONG)] * 3)
    for name, spec in (("mine", SFT), ("pairs", PAIRS)):
        made = create_version(database, name, spec, run=run)
        again = create_version(database, name, spec, run=run)
        assert (made.is_new, again.is_new) == (True, False)
        assert again.version == made.version
        assert "the same content" in again.sentence()
        stored = datasets.items(database, made.version.id)
        assert datasets.hash_items(stored) == made.version.content_hash
    twin = create_version(database, "twin", SFT, run=run)
    assert twin.twins == ("mine",)


def test_a_name_is_never_given_to_other_content(database: Database) -> None:
    run = searched_run(database, [(RIGHT, OTHER)])
    create_version(database, "mine", SFT, run=run)
    with pytest.raises(ConfigurationError, match="choose another name"):
        create_version(database, "mine", SFT.model_copy(update={"max_items": 1}), run=run)
    first_round = SFT.model_copy(update={"rounds": (1,)})
    create_version(database, "first-round", first_round, run=run)
    second = stored_round(database, run, 2)
    search_round(database, second, problem_ids(database, run), [(RIGHT, WRONG)])
    assert not create_version(database, "first-round", first_round, run=run).is_new
    with pytest.raises(ConfigurationError, match="the rounds or the benchmarks have changed"):
        create_version(database, "mine", SFT, run=run)


@pytest.mark.parametrize("table", ["datasets", "dataset_items", "dataset_exclusions"])
def test_nothing_of_a_version_can_be_changed(database: Database, table: str) -> None:
    run = searched_run(database, [(RIGHT,)])
    create_version(database, "mine", SFT, run=run)
    with pytest.raises(DBAPIError, match="immutable"), database.begin() as connection:
        connection.execute(text(f"DELETE FROM {table}"))


def test_what_was_kept_out_is_reported_with_the_version(database: Database, tmp_path: Path) -> None:
    run = searched_run(database, [(RIGHT,)] * 3)
    bench = tmp_path / "bench.jsonl"
    item = {"id": "b-1", "question": TEMPLATES[1].format(1, 3).upper(), "answer": "2"}
    bench.write_text(json.dumps(item) + "\n")
    spec = SFT.model_copy(update={"description": "clean"})
    version = create_version(database, "clean", spec, run=run, decontaminate=[str(bench)]).version
    manifest = manifest_of(version)
    assert manifest is not None
    (entry,) = manifest.benchmarks
    assert (entry.name, entry.items, entry.problems_left_out) == ("bench.jsonl", 1, 1)
    (exclusion,) = datasheets.exclusions(database, version.id, limit=10)
    _, second, _ = problem_ids(database, run)
    assert (exclusion.problem_id, exclusion.benchmark_item, exclusion.score) == (second, "b-1", 1.0)
    assert manifest.candidates == version.item_count + sum(manifest.dropped.values())


def test_the_datasheet_counts_every_item_under_each_heading(database: Database) -> None:
    run = searched_run(database, [(RIGHT, WRONG), (RIGHT, OTHER, WRONG)])
    for name, spec in (("mine", SFT), ("pairs", PAIRS)):
        version = create_version(database, name, spec, run=run).version
        sections = datasheets.sections(database, version.id)
        headings = {"depth", "outcome", "solve rate of the problem", "Q", "source of the problem"}
        assert set(sections) == headings | ({"margin"} if spec is PAIRS else set())
        for counts in sections.values():
            assert sum(count.items for count in counts) == version.item_count
        sheet = Datasheet(version, 2, sections, [])
        shown = printed(render_datasheet(sheet))
        assert f"{name}: {version.item_count} {version.kind.value} items over 2 problems" in shown
        assert version.content_hash.hex() in shown
    assert {count.label for count in sections["outcome"]} == {"step pair", "answer pair"}


def test_two_versions_are_compared_by_their_texts(database: Database) -> None:
    run = searched_run(database, [(RIGHT, OTHER), (RIGHT,)])
    all_of_them = create_version(database, "all", SFT, run=run).version
    best = SFT.model_copy(
        update={"trajectories": SFT.trajectories.model_copy(update={"a_problem": 1})}
    )
    few = create_version(database, "few", best, run=run).version
    difference = datasheets.difference(database, all_of_them.id, few.id)
    assert (difference.only_first, difference.only_second, difference.common) == (1, 0, 2)
    assert difference.examples_first == (TEMPLATES[0].format(0, 2),)
    shown = printed(render_difference(all_of_them, few, difference))
    assert "trajectories.a_problem" in shown


def test_a_version_of_a_curate_stage_has_a_title(database: Database) -> None:
    run = searched_run(database, [(RIGHT,)])
    made = create_version(database, "mine", SFT, run=run).version
    items = datasets.items(database, made.id)
    datasets.create(
        database, run_id=run.id, round_number=1, kind=DatasetKind.SFT, spec={}, items=items
    )
    assert find_version(database, "run/1/sft").content_hash == made.content_hash
    with pytest.raises(ConfigurationError, match=r"mine, run/1/sft"):
        find_version(database, "run/1/other")


def test_a_spec_that_leaves_nothing_says_which_rule_did(database: Database) -> None:
    run = searched_run(database, [(WRONG,)])
    with pytest.raises(DatasetEmpty, match=r"none of 1 candidates \(trajectories.verdicts 1\)"):
        create_version(database, "mine", SFT, run=run)
    assert datasets.described(database) == []


def test_names_of_runs_and_versions_are_checked(database: Database) -> None:
    with pytest.raises(ConfigurationError, match="runs: none yet"):
        find_run(database, None)
    run = searched_run(database, [(RIGHT,)])
    assert find_run(database, None) == run
    with pytest.raises(ConfigurationError, match=r"no run 'other'.*runs: run"):
        find_run(database, "other")
    with pytest.raises(ConfigurationError, match="cannot name a dataset version"):
        create_version(database, "../mine", SFT, run=run)
