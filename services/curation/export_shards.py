"""Shards of an export: a file with its final name is whole, and a killed export goes on.

A shard is written beside its place, synced and renamed. Its name says which part of how many it is,
so a folder knows what is missing; rows come from a server-side cursor and are held a row group at
a time.
"""

from __future__ import annotations

import json
import os
from itertools import islice
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.parquet as pq

from services.curation.export_forms import FileKind
from services.errors import ExportIncomplete

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    from services.curation.export_rows import Row

ROWS_A_GROUP = 500


def shard_path(folder: Path, number: int, count: int, kind: FileKind) -> Path:
    """Where shard `number` of `count` is, as the Hub names them."""
    return folder / "data" / f"train-{number:05d}-of-{count:05d}.{kind.value}"


def write_shard(path: Path, rows: Iterable[Row], schema: pa.Schema, *, planned: int) -> None:
    """Write one shard, as its name says; it appears when it is whole, or never.

    Raises:
        ExportIncomplete: there were not as many rows as planned.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f".{path.name}.partial")
    try:
        if _kind(path) is FileKind.JSONL:
            _write_jsonl(draft, rows)
        else:
            _write_parquet(draft, rows, schema)
        _require_rows(draft, _kind(path), planned)
        publish(draft, path)
    finally:
        draft.unlink(missing_ok=True)


def require_whole(path: Path, *, planned: int) -> None:
    """Check that a shard that was there before holds as many rows as planned.

    Raises:
        ExportIncomplete: it does not.
    """
    _require_rows(path, _kind(path), planned)


def _kind(path: Path) -> FileKind:
    return FileKind(path.suffix.removeprefix("."))


def _require_rows(path: Path, kind: FileKind, planned: int) -> None:
    """Counts what is in the file, not what was meant to be written."""
    if kind is FileKind.PARQUET:
        rows = int(pq.ParquetFile(path).metadata.num_rows)
    else:
        with path.open("rb") as file:
            rows = sum(1 for _ in file)
    if rows != planned:
        name = path.name.removeprefix(".").removesuffix(".partial")
        raise ExportIncomplete(
            f"The shard {name} in {path.parent} has {rows:,} rows instead of {planned:,}, so the "
            "export was stopped and its folder is not complete. If rounds were archived since "
            "(`stepforge rounds list`), attach them; delete a shard that was there before, and run "
            "the export again."
        )


def publish(draft: Path, path: Path) -> None:
    """Give a written file its name, so that it survives a loss of power whole or not at all."""
    for entry in (draft, draft.parent):
        descriptor = os.open(entry, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
    draft.replace(path)


def _write_jsonl(path: Path, rows: Iterable[Row]) -> None:
    with path.open("w", encoding="utf-8") as file:
        for row in rows:
            file.write(json.dumps(row, ensure_ascii=False))
            file.write("\n")


def _write_parquet(path: Path, rows: Iterable[Row], schema: pa.Schema) -> None:
    with pq.ParquetWriter(path, schema, compression="zstd") as writer:
        for group in _groups(rows):
            writer.write_table(pa.Table.from_pylist(group, schema=schema))


def _groups(rows: Iterable[Row]) -> Iterator[list[Row]]:
    rest = iter(rows)
    while group := list(islice(rest, ROWS_A_GROUP)):
        yield group
