"""Parquet files of nodes: written whole or not at all, read in batches."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.parquet as pq

from db.queries.partitions import COLUMNS

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from pathlib import Path

BATCH = 50_000
"""Nodes of a row group; memory holds one."""

_WORD = pa.dictionary(pa.int8(), pa.string())
_TYPES = {
    "round_id": pa.int32(),
    "search_id": pa.int64(),
    "node_no": pa.int32(),
    "parent_no": pa.int32(),
    "depth": pa.int16(),
    "kind": _WORD,
    "outcome": _WORD,
    "terminal_reason": _WORD,
    "verdict": _WORD,
    "leads_to_correct": pa.bool_(),
    "leads_to_wrong": pa.bool_(),
    "visit_count": pa.int32(),
    "value_sum": pa.float64(),
    "prior": pa.float32(),
    "reward": pa.float32(),
    "generated_tokens": pa.int32(),
    "proposals": pa.int16(),
    "wall_seconds": pa.float32(),
    "text": pa.string(),
    "observation": pa.string(),
    "error": pa.string(),
}
SCHEMA = pa.schema([(name, _TYPES[name]) for name in COLUMNS])


def write(path: Path, batches: Iterable[Sequence[tuple[object, ...]]]) -> int:
    """Write the rows of `COLUMNS`; the file appears only when it is complete and on the disk.

    Returns how many rows it holds.
    """
    partial = path.with_name(f".{path.name}.{os.getpid()}.partial")
    count = 0
    try:
        with pq.ParquetWriter(partial, SCHEMA, compression="zstd", compression_level=6) as writer:
            for rows in batches:
                columns = zip(*rows, strict=True)
                arrays = [
                    pa.array(values, type=field.type)
                    for values, field in zip(columns, SCHEMA, strict=True)
                ]
                writer.write_batch(pa.record_batch(arrays, schema=SCHEMA))
                count += len(rows)
        _flush(partial)
        partial.replace(path)
        _flush(path.parent)
    finally:
        partial.unlink(missing_ok=True)
    return count


def read(path: Path) -> Iterator[list[tuple[object, ...]]]:
    """The rows that were written, some at a time."""
    with pq.ParquetFile(path) as file:
        for batch in file.iter_batches(batch_size=BATCH):
            yield list(zip(*(column.to_pylist() for column in batch.columns), strict=True))


def _flush(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
