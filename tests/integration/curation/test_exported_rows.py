"""What an export holds is what the database holds: every form, from two runs, over three shards."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from itertools import accumulate, pairwise
from pathlib import Path

import datasets as hub
import pytest
from sqlalchemy import text

from db.records.datasets import DatasetDescription
from db.records.runs import RunRow
from db.session import Database
from db.vocabulary import DatasetKind
from services.archives import lifecycle
from services.curation.export import CARD, ExportPlan, export
from services.curation.export_forms import FileKind, Format
from services.curation.export_rows import SCHEMAS
from services.curation.export_shards import shard_path, write_shard
from services.curation.spec import CurationSpec, TrajectoryRules, Verdicts
from services.curation.versions import create_version
from services.errors import ExportIncomplete
from tests.integration.curation.forests import OTHER, RIGHT, WRONG, searched_run

Rows = list[dict[str, object]]

ITEMS = "SELECT * FROM dataset_items WHERE dataset_id = :id ORDER BY position"
TREES = """
    SELECT s.id AS search_id, u.name AS run, r.number AS round, s.seed, s.problem_id, p.source,
           p.question, p.answer, s.solved, s.rollouts, s.sandbox
    FROM searches AS s
    JOIN rounds AS r ON r.id = s.round_id
    JOIN runs AS u ON u.id = r.run_id
    JOIN problems AS p ON p.id = s.problem_id
    WHERE s.id IN (
        SELECT search_id FROM trajectories
        WHERE id IN (SELECT trajectory_id FROM dataset_items WHERE dataset_id = :id)
        UNION
        SELECT search_id FROM preference_pairs
        WHERE id IN (SELECT pair_id FROM dataset_items WHERE dataset_id = :id)
    )
    ORDER BY s.round_id, s.id
"""
NODES = """
    SELECT node_no, parent_no, depth, kind::text AS kind, outcome::text AS outcome,
           terminal_reason::text AS terminal_reason, verdict::text AS verdict, leads_to_correct,
           leads_to_wrong, visit_count, value_sum, q_value, prior, reward, generated_tokens,
           proposals, wall_seconds, text, observation, error
    FROM nodes WHERE search_id = :search_id ORDER BY node_no
"""


def read(database: Database, sql: str, **values: object) -> Rows:
    with database.begin() as connection:
        return [dict(row._mapping) for row in connection.execute(text(sql), values)]


def ids_of(item: Mapping[str, object]) -> dict[str, object]:
    return {name: item[name] for name in ("problem_id", "position", "weight")}


def completion_rows(items: Rows) -> Rows:
    return [
        {"prompt": item["prompt"], "completion": item["chosen"], **ids_of(item)} for item in items
    ]


def conversation_rows(items: Rows) -> Rows:
    """Whatever the messages are, joined in the policy's form they are prompt and completion."""
    rows = []
    for item in items:
        whole = f"{item['prompt']}{item['chosen']}"
        user, assistant = whole.removeprefix("<|user|>:\n").split("\n<|assistant|>: ")
        messages = [
            {"role": "user", "content": user},
            {"role": "assistant", "content": assistant},
        ]
        rows.append({"messages": messages, **ids_of(item)})
    return rows


def preference_rows(items: Rows) -> Rows:
    names = ("prompt", "chosen", "rejected", "margin")
    return [{**{name: item[name] for name in names}, **ids_of(item)} for item in items]


def stepwise_rows(items: Rows) -> Rows:
    rows = []
    for item in items:
        ends = [0, *accumulate(item["step_lengths"])]  # type: ignore[call-overload]
        steps = [item["chosen"][a:b] for a, b in pairwise(ends)]  # type: ignore[index]
        labels = [1 if q > 0 else 0 for q in item["step_q"]]  # type: ignore[attr-defined]
        rows.append(
            {
                "prompt": item["prompt"],
                "completions": steps,
                "labels": labels,
                "q_values": item["step_q"],
                **ids_of(item),
            }
        )
    return rows


EXPECTED: Mapping[Format, tuple[DatasetKind, Callable[[Rows], Rows]]] = {
    Format.SFT: (DatasetKind.SFT, completion_rows),
    Format.CONVERSATIONAL: (DatasetKind.SFT, conversation_rows),
    Format.PREFERENCE: (DatasetKind.PREFERENCE, preference_rows),
    Format.STEPWISE: (DatasetKind.STEPWISE, stepwise_rows),
    Format.TREES: (DatasetKind.PREFERENCE, lambda _: []),
}


def expected(database: Database, version: DatasetDescription, form: Format) -> Rows:
    if form is not Format.TREES:
        return EXPECTED[form][1](read(database, ITEMS, id=version.id))
    return [
        {**tree, "nodes": read(database, NODES, search_id=tree["search_id"])}
        for tree in read(database, TREES, id=version.id)
    ]


def version_of(database: Database, kind: DatasetKind, run: RunRow) -> DatasetDescription:
    verdicts = Verdicts.BOTH if kind is DatasetKind.STEPWISE else Verdicts.CORRECT
    spec = CurationSpec(kind=kind, trajectories=TrajectoryRules(verdicts=verdicts))
    return create_version(database, f"of-{run.name}", spec, run=run).version


def exported(
    database: Database, version: DatasetDescription, folder: Path, form: Format, kind: FileKind
) -> Rows:
    """Export over three shards and load what `datasets` makes of the folder."""
    rows = len(expected(database, version, form))
    plan = ExportPlan(
        version.title, version.content_hash.hex(), form, kind, -(-rows // 3), threshold=0.0
    )
    done = export(database, version, folder, plan)
    assert (done.rows, done.shards) == (rows, 3)
    return list(hub.load_dataset(str(folder), cache_dir=str(folder / "cache"))["train"])


@pytest.mark.parametrize("kind", list(FileKind))
@pytest.mark.parametrize("form", list(Format))
def test_every_form_is_the_database_row_by_row(
    database: Database, tmp_path: Path, form: Format, kind: FileKind
) -> None:
    """The second run's trees differ from the first's, and every table counts its own ids."""
    first = searched_run(database, [(RIGHT, OTHER, WRONG)] * 7, name="first")
    second = searched_run(
        database, [(WRONG, OTHER), (RIGHT, WRONG, OTHER)] * 4, rounds=2, name="second"
    )
    for run in (first, second):
        version = version_of(database, EXPECTED[form][0], run)
        wanted = expected(database, version, form)
        assert len(wanted) >= 7
        assert exported(database, version, tmp_path / run.name, form, kind) == wanted


def test_trees_whose_nodes_are_gone_end_the_export_without_a_card(
    database: Database, tmp_path: Path
) -> None:
    run = searched_run(database, [(RIGHT, WRONG)] * 3, rounds=2)
    version = version_of(database, DatasetKind.PREFERENCE, run)
    lifecycle.archive(database, lifecycle.find(database, run.name, 1), tmp_path / "archives")
    plan = ExportPlan(
        version.title, version.content_hash.hex(), Format.TREES, FileKind.JSONL, 4, threshold=0.0
    )
    with pytest.raises(ExportIncomplete, match=r"has 0 rows instead of 3.*rounds list"):
        export(database, version, tmp_path / "out", plan)
    assert not (tmp_path / "out" / CARD).exists()
    assert list((tmp_path / "out" / "data").iterdir()) == []


@pytest.mark.parametrize("kind", list(FileKind))
def test_a_shard_that_was_there_and_lacks_rows_is_not_taken_for_whole(
    database: Database, tmp_path: Path, kind: FileKind
) -> None:
    version = version_of(database, DatasetKind.SFT, searched_run(database, [(RIGHT,)] * 6))
    plan = ExportPlan(version.title, version.content_hash.hex(), Format.SFT, kind, 2, threshold=0.0)
    export(database, version, tmp_path / "out", plan)
    (tmp_path / "out" / CARD).unlink()
    path = shard_path(tmp_path / "out", 1, 3, kind)
    write_shard(path, [], SCHEMAS[Format.SFT], planned=0)
    with pytest.raises(ExportIncomplete, match=rf"{path.name} .* has 0 rows instead of 2"):
        export(database, version, tmp_path / "out", plan)
    assert not (tmp_path / "out" / CARD).exists()


@pytest.mark.parametrize("kind", list(FileKind))
@pytest.mark.parametrize("form", list(Format))
def test_nulls_in_front_do_not_decide_the_types(
    database: Database, tmp_path: Path, form: Format, kind: FileKind
) -> None:
    """A reader that infers types from its first block would take a column of nulls for no type."""
    run = searched_run(database, [(RIGHT, OTHER, WRONG)] * 3)
    version = version_of(database, EXPECTED[form][0], run)
    folder = tmp_path / "out"
    rows = exported(database, version, folder, form, kind)
    first = shard_path(folder, 0, 3, kind)
    nothing = _emptied(rows[0])
    # More than a block of the JSON reader, which is 10 MiB.
    count = 1 + 11 * 2**20 // len(json.dumps(nothing))
    first.unlink()
    write_shard(first, (nothing for _ in range(count)), SCHEMAS[form], planned=count)
    loaded = hub.load_dataset(str(folder), cache_dir=str(tmp_path / "cache"))["train"]
    assert loaded.features == hub.Features.from_arrow_schema(SCHEMAS[form])
    assert loaded[len(loaded) - 1] == rows[-1]


def _emptied(value: object) -> object:
    """The row with every value that is no structure null; a long list of those."""
    if isinstance(value, dict):
        return {name: _emptied(part) for name, part in value.items()}
    if isinstance(value, list):
        return [_emptied(value[0])] * 50
    return None
