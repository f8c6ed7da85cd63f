"""Export of a version to a folder that `datasets.load_dataset(FOLDER)` loads without code.

`export.json` says what the folder is to hold before any data is there; an export of anything else
into it is refused, and the same one goes on with the shards that are missing. The card is written
last, so a folder with a README.md is complete.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from itertools import count
from typing import TYPE_CHECKING

from db.queries import dataset_trees, datasets, datasheets
from services import reporting
from services.curation.card import dataset_card
from services.curation.export_forms import FileKind, Format
from services.curation.export_rows import SCHEMAS, require_format, row_of, tree_row
from services.curation.export_shards import publish, require_whole, shard_path, write_shard
from services.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from db.records.datasets import DatasetDescription
    from db.session import Database
    from services.curation.export_rows import Row

PLAN = "export.json"
CARD = "README.md"


@dataclass(frozen=True, slots=True)
class ExportPlan:
    """What a folder is to hold."""

    version: str
    content_hash: str
    format: Format
    file_kind: FileKind
    rows_a_shard: int
    threshold: float
    """Q above which a step has the label 1; says nothing in other formats than stepwise."""


@dataclass(frozen=True, slots=True)
class Exported:
    """What an export did."""

    rows: int
    shards: int
    written: int
    """Shards that this call wrote; the others were there."""


def export(
    database: Database, version: DatasetDescription, folder: Path, plan: ExportPlan
) -> Exported:
    """Write what is missing of the export.

    Raises:
        ConfigurationError: the version cannot be told in this format, its trees are not in the
            database, or the folder holds something else.
        ExportIncomplete: a shard has other rows than planned, such as trees whose nodes are gone.
    """
    require_format(version, plan.format)
    _claim(folder, plan)
    rows = (
        dataset_trees.count(database, version.id)
        if plan.format is Format.TREES
        else version.item_count
    )
    shards = -(-rows // plan.rows_a_shard)
    if not shards:
        raise ConfigurationError(
            f"No search tree of version {version.title} is in the database: its items are "
            "reference solutions, or the nodes of its rounds are archived; attach them first."
        )
    paths = [shard_path(folder, k, shards, plan.file_kind) for k in range(shards)]
    planned = [min(plan.rows_a_shard, rows - k * plan.rows_a_shard) for k in range(shards)]
    missing = [number for number, path in enumerate(paths) if not path.exists()]
    for number in set(range(shards)).difference(missing):
        require_whole(paths[number], planned=planned[number])
    with reporting.current().bar("Writing shards", shards) as bar:
        for done, number in enumerate(missing, start=shards - len(missing)):
            bar.update(done)
            part = _rows(database, version, plan, first=number * plan.rows_a_shard)
            write_shard(paths[number], part, SCHEMAS[plan.format], planned=planned[number])
        bar.update(shards)
    card = dataset_card(
        version,
        plan.format,
        plan.file_kind,
        rows=rows,
        sections=datasheets.sections(database, version.id),
        threshold=plan.threshold,
    )
    _write_text(folder / CARD, card)
    return Exported(rows=rows, shards=shards, written=len(missing))


def _rows(
    database: Database, version: DatasetDescription, plan: ExportPlan, *, first: int
) -> Iterator[Row]:
    if plan.format is Format.TREES:
        stored = dataset_trees.stream(database, version.id, first=first, limit=plan.rows_a_shard)
        yield from map(tree_row, stored)
        return
    items = datasets.stream(database, version.id, first=first, count=plan.rows_a_shard)
    for position, item in zip(count(first), items, strict=False):
        yield row_of(item, position, plan.format, threshold=plan.threshold)


def _claim(folder: Path, plan: ExportPlan) -> None:
    """Say in the folder what it is to hold, or check that it was said before."""
    path = folder / PLAN
    wanted = json.dumps(asdict(plan), indent=2)
    if path.exists():
        if path.read_text(encoding="utf-8") != wanted:
            raise ConfigurationError(
                f"{folder} holds another export, see {path}. Give another folder, or delete it."
            )
        return
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise ConfigurationError(f"{folder} is not an empty folder. Give another one.")
    folder.mkdir(parents=True, exist_ok=True)
    _write_text(path, wanted)


def _write_text(path: Path, text: str) -> None:
    draft = path.with_name(f".{path.name}.partial")
    draft.write_text(text, encoding="utf-8")
    publish(draft, path)
