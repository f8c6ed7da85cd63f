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

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    from services.curation.export_rows import Row

ROWS_A_GROUP = 500


def shard_path(folder: Path, number: int, count: int, kind: FileKind) -> Path:
    """Where shard `number` of `count` is, as the Hub names them."""
    return folder / "data" / f"train-{number:05d}-of-{count:05d}.{kind.value}"


def write_shard(path: Path, rows: Iterable[Row], schema: pa.Schema, kind: FileKind) -> None:
    """Write one shard; it appears when it is whole, or never."""
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f".{path.name}.partial")
    try:
        if kind is FileKind.JSONL:
            _write_jsonl(draft, rows)
        else:
            _write_parquet(draft, rows, schema)
        publish(draft, path)
    finally:
        draft.unlink(missing_ok=True)


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
