"""Exports: complete or absent, the same however often they were stopped, loaded without code."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import datasets as hub
import pyarrow.parquet as pq
import pytest

from db.records.datasets import DatasetDescription
from db.session import Database
from db.vocabulary import DatasetKind
from services import reporting
from services.curation.export import CARD, PLAN, ExportPlan, export
from services.curation.export_forms import FileKind, Format
from services.curation.spec import CurationSpec, TrajectoryRules, Verdicts
from services.curation.versions import create_version
from services.errors import ConfigurationError
from tests.integration.curation.forests import OTHER, RIGHT, WRONG, searched_run

KINDS = {
    Format.SFT: DatasetKind.SFT,
    Format.CONVERSATIONAL: DatasetKind.SFT,
    Format.PREFERENCE: DatasetKind.PREFERENCE,
    Format.STEPWISE: DatasetKind.STEPWISE,
    Format.TREES: DatasetKind.PREFERENCE,
}


def version_of(database: Database, kind: DatasetKind) -> DatasetDescription:
    run = searched_run(database, [(RIGHT, OTHER, WRONG)] * 4)
    verdicts = Verdicts.BOTH if kind is DatasetKind.STEPWISE else Verdicts.CORRECT
    spec = CurationSpec(kind=kind, trajectories=TrajectoryRules(verdicts=verdicts))
    return create_version(database, "mine", spec, run=run).version


def plan_of(
    version: DatasetDescription,
    form: Format,
    kind: FileKind = FileKind.JSONL,
    *,
    rows: int = 3,
    threshold: float = 0.0,
) -> ExportPlan:
    return ExportPlan(
        version.title, version.content_hash.hex(), form, kind, rows, threshold=threshold
    )


def loaded(folder: Path, cache: Path) -> list[dict[str, object]]:
    return list(hub.load_dataset(str(folder), cache_dir=str(cache))["train"])


@pytest.mark.parametrize("form", list(Format))
def test_both_kinds_of_files_load_to_the_same_rows(
    database: Database, tmp_path: Path, form: Format
) -> None:
    version = version_of(database, KINDS[form])
    rows = {}
    for kind in FileKind:
        done = export(database, version, tmp_path / kind.value, plan_of(version, form, kind))
        assert done.shards == -(-done.rows // 3) > 1
        rows[kind] = loaded(tmp_path / kind.value, tmp_path / "cache")
        assert len(rows[kind]) == done.rows
    assert rows[FileKind.JSONL] == rows[FileKind.PARQUET]
    if form is Format.TREES:
        assert len(rows[FileKind.JSONL]) == 4
    else:
        assert [row["position"] for row in rows[FileKind.JSONL]] == list(range(version.item_count))


def test_a_stepwise_row_is_the_solution_cut_into_its_steps(
    database: Database, tmp_path: Path
) -> None:
    version = version_of(database, DatasetKind.STEPWISE)
    export(database, version, tmp_path / "a", plan_of(version, Format.STEPWISE))
    rows = loaded(tmp_path / "a", tmp_path / "cache")
    assert rows[0]["completions"] == [
        "x = 2 + 2\n<end_of_step>\n",
        "print(x)\n<end_of_code>\n<output>4<end_of_output>\n<answer>",
        "answer 3",
    ]
    assert {tuple(row["labels"]) for row in rows} == {(1, 1, 1), (0, 0, 0)}  # type: ignore[arg-type]
    for row in rows:
        assert [int(q > 0) for q in row["q_values"]] == row["labels"]  # type: ignore[union-attr]
    strict = plan_of(version, Format.STEPWISE, threshold=1.0)
    export(database, version, tmp_path / "b", strict)
    assert {1} not in [set(row["labels"]) for row in loaded(tmp_path / "b", tmp_path / "cache")]  # type: ignore[arg-type]


def test_a_conversation_is_what_the_policy_read_and_wrote(
    database: Database, tmp_path: Path
) -> None:
    version = version_of(database, DatasetKind.SFT)
    export(database, version, tmp_path / "a", plan_of(version, Format.CONVERSATIONAL))
    user, assistant = loaded(tmp_path / "a", tmp_path / "cache")[0]["messages"]  # type: ignore[misc]
    assert user == {
        "role": "user",
        "content": "Ann has 0 apples and buys 2 more; how many has she?",
    }
    assert assistant["content"].startswith("Let's think step by step")
    assert assistant["content"].endswith("answer 3")


def test_a_tree_comes_with_every_fact_of_its_nodes(database: Database, tmp_path: Path) -> None:
    version = version_of(database, DatasetKind.PREFERENCE)
    export(database, version, tmp_path / "a", plan_of(version, Format.TREES))
    tree = loaded(tmp_path / "a", tmp_path / "cache")[0]
    nodes: list[dict[str, object]] = tree["nodes"]  # type: ignore[assignment]
    assert (tree["run"], tree["round"], tree["solved"], tree["rollouts"]) == ("run", 1, True, 6)
    assert [node["node_no"] for node in nodes] == list(range(10))
    answer = nodes[3]
    assert (answer["kind"], answer["verdict"], answer["reward"]) == ("answer", "equal", 1.0)
    assert (answer["visit_count"], answer["q_value"]) == (3, 1.0)


class _Stop(Exception):
    pass


class _StoppingReporter(reporting.LogReporter):
    """Stands for a kill: fails when the bar reaches a shard."""

    def __init__(self, at: int) -> None:
        self._at = at

    def bar(self, title: str, total: int | None) -> object:  # type: ignore[override]
        from contextlib import contextmanager

        class Bar:
            def __init__(self, at: int) -> None:
                self.at = at

            def update(self, done: int, *, total: int | None = None, note: str = "") -> None:
                if done == self.at:
                    raise _Stop

        @contextmanager
        def opened() -> Iterator[Bar]:
            yield Bar(self._at)

        return opened()


@pytest.mark.parametrize("kind", list(FileKind))
def test_a_stopped_export_goes_on_and_ends_like_an_undisturbed_one(
    database: Database, tmp_path: Path, kind: FileKind
) -> None:
    version = version_of(database, DatasetKind.SFT)
    plan = plan_of(version, Format.SFT, kind)
    export(database, version, tmp_path / "whole", plan)
    stopped = tmp_path / "stopped"
    with pytest.raises(_Stop), reporting.reporting_to(_StoppingReporter(at=2)):
        export(database, version, stopped, plan)
    assert not (stopped / CARD).exists()
    first, second = sorted((stopped / "data").iterdir())
    (stopped / "data" / f".{second.name}.partial").write_text("half a row")
    inode = first.stat().st_ino
    done = export(database, version, stopped, plan)
    assert (done.shards, done.written) == (3, 1)
    assert first.stat().st_ino == inode
    whole = {
        path.name: path.read_bytes() for path in (tmp_path / "whole").rglob("*.*") if path.is_file()
    }
    for name, content in whole.items():
        (path,) = stopped.rglob(name)
        assert path.read_bytes() == content
    assert export(database, version, stopped, plan).written == 0


def test_a_folder_of_something_else_is_left_alone(database: Database, tmp_path: Path) -> None:
    version = version_of(database, DatasetKind.SFT)
    export(database, version, tmp_path / "a", plan_of(version, Format.SFT))
    with pytest.raises(ConfigurationError, match="holds another export"):
        export(database, version, tmp_path / "a", plan_of(version, Format.CONVERSATIONAL))
    (tmp_path / "b").mkdir()
    (tmp_path / "b" / "thesis.tex").write_text("mine")
    with pytest.raises(ConfigurationError, match="not an empty folder"):
        export(database, version, tmp_path / "b", plan_of(version, Format.SFT))
    assert [path.name for path in (tmp_path / "b").iterdir()] == ["thesis.tex"]


def test_a_form_that_a_version_does_not_have_is_refused(database: Database, tmp_path: Path) -> None:
    version = version_of(database, DatasetKind.SFT)
    with pytest.raises(ConfigurationError, match="use --format sft, conversational, stepwise"):
        export(database, version, tmp_path / "a", plan_of(version, Format.PREFERENCE))
    assert not (tmp_path / "a").exists()


def test_the_card_tells_where_the_data_came_from(database: Database, tmp_path: Path) -> None:
    version = version_of(database, DatasetKind.SFT)
    export(database, version, tmp_path / "a", plan_of(version, Format.SFT))
    card = (tmp_path / "a" / CARD).read_text()
    assert card.startswith('---\npretty_name: "mine"\n')
    for said in (version.content_hash.hex(), "run: run, profile made", '"a_problem": 2'):
        assert said in card
    plan = json.loads((tmp_path / "a" / PLAN).read_text())
    assert plan["format"] == "sft"


def test_parquet_is_written_a_row_group_at_a_time(
    database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("services.curation.export_shards.ROWS_A_GROUP", 2)
    version = version_of(database, DatasetKind.SFT)
    export(
        database, version, tmp_path / "a", plan_of(version, Format.SFT, FileKind.PARQUET, rows=8)
    )
    (path,) = (tmp_path / "a" / "data").iterdir()
    assert pq.ParquetFile(path).num_row_groups == 4
