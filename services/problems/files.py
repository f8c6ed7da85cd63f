"""Rows of problem files, one at a time, with the place each stands at.

JSON Lines and Parquet are streamed; a JSON array is read whole. Nothing but the file's form is
checked here; what a row means is `services.problems.records`.
"""

from __future__ import annotations

import json
from functools import partial
from typing import TYPE_CHECKING

from services.errors import ProblemImportError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from services.problems.faults import OnBad

Row = tuple[str, object]
"""Where it stands, for messages, and what stands there."""

_MOST_LINE_BYTES = 4 * 1024 * 1024
_BYTE_ORDER_MARK = b"\xef\xbb\xbf"
_PARQUET_ROWS = 1024
_KEPT_OF_BROKEN = 64 * 1024
"""Bytes of a line that is no JSON that are given on."""


def read_rows(
    path: Path, *, most_line_bytes: int = _MOST_LINE_BYTES, on_bad: OnBad | None = None
) -> Iterator[Row]:
    """The rows of a .jsonl, .json or .parquet file; a line has at most `most_line_bytes`.

    A line that is broken is told to `on_bad`, where there is one, and the next one is read.

    Raises:
        ProblemImportError: no such file, another kind of file, or its form is broken; says where.
    """
    lines = partial(_json_lines, most_bytes=most_line_bytes, on_bad=on_bad)
    readers: dict[str, Callable[[Path], Iterator[Row]]] = {
        ".jsonl": lines,
        ".json": _json_array,
        ".parquet": _parquet,
    }
    reader = readers.get(path.suffix.lower())
    if reader is None:
        raise ProblemImportError(
            f"{path} is not a source of problems; give a .jsonl, .json or .parquet file, gym:NAME "
            "or hf:NAME."
        )
    if not path.is_file():
        what = "is a folder" if path.is_dir() else "does not exist"
        raise ProblemImportError(f"{path} {what}; give the path of a file.")
    try:
        yield from reader(path)
    except OSError as error:
        raise ProblemImportError(
            f"{path} cannot be read ({error.strerror or error}); check its permissions and disk."
        ) from error


def _json_lines(path: Path, most_bytes: int, on_bad: OnBad | None) -> Iterator[Row]:
    with path.open("rb") as file:
        number = 0
        while line := file.readline(most_bytes + 1):
            number += 1
            where = f"{path.name} line {number}"
            line = line.removeprefix(_BYTE_ORDER_MARK) if number == 1 else line
            try:
                found = _line(line, where, most_bytes)
            except ProblemImportError as error:
                if on_bad is None:
                    raise
                on_bad(where, str(error), line[:_KEPT_OF_BROKEN].decode("utf-8", "replace"))
                while line and not line.endswith(b"\n"):
                    line = file.readline(most_bytes)
                continue
            if found is not None:
                yield found


def _line(line: bytes, where: str, most_bytes: int) -> Row | None:
    """The row of one line; None where it is blank."""
    if len(line) > most_bytes:
        raise ProblemImportError(
            f"{where} is longer than {most_bytes:,} bytes; write one JSON object a line."
        )
    text = _decoded(line, where)
    return (
        (where, _parsed(text, where, "write one JSON object on each line"))
        if text.strip()
        else None
    )


def _json_array(path: Path) -> Iterator[Row]:
    text = _decoded(path.read_bytes().removeprefix(_BYTE_ORDER_MARK), path.name)
    rows = _parsed(text, path.name, "for one object a line name the file .jsonl") if text else []
    if not isinstance(rows, list):
        raise ProblemImportError(
            f"{path.name} is not a JSON list of problems; put them in [...], or write one object "
            "a line and name the file .jsonl."
        )
    for number, row in enumerate(rows, start=1):
        yield f"{path.name} entry {number}", row


def _parquet(path: Path) -> Iterator[Row]:
    # Most sources are text, and Arrow takes a quarter of a second to load.
    import pyarrow
    import pyarrow.parquet

    number = 0
    try:
        with pyarrow.parquet.ParquetFile(path) as file:
            for batch in file.iter_batches(batch_size=_PARQUET_ROWS):
                for row in batch.to_pylist():
                    number += 1
                    yield f"{path.name} row {number}", row
    except pyarrow.ArrowException as error:
        raise ProblemImportError(
            f"{path.name} is not a readable Parquet file after row {number} ({_short(error)}); "
            "write it again."
        ) from error


def _decoded(data: bytes, where: str) -> str:
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError as error:
        raise ProblemImportError(
            f"{where} is not UTF-8 (byte {error.start + 1}); save the file as UTF-8."
        ) from error


def _parsed(text: str, where: str, remedy: str) -> object:
    try:
        parsed: object = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise ProblemImportError(f"{where} is not JSON ({_short(error)}); {remedy}.") from error
    return parsed


def _short(error: Exception) -> str:
    return " ".join(str(error).split())[:120] or type(error).__name__
