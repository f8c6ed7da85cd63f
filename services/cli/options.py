"""Options that several commands have."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

Mapping = Annotated[
    list[str] | None,
    typer.Option(
        "--map",
        help="A field of the source, as question=prompt.0.content; repeat it, or part by commas",
    ),
]
Limit = Annotated[int | None, typer.Option(min=1, help="Take at most so many problems")]
SkipBad = Annotated[
    bool, typer.Option("--skip-bad", help="Leave out what cannot be used; see --rejects")
]
Rejects = Annotated[
    Path | None,
    typer.Option(help="File for what --skip-bad leaves out; else SOURCE.rejects.jsonl"),
]
RunName = Annotated[str | None, typer.Option("--run", help="Only this run")]

AsJson = Annotated[bool, typer.Option("--json", help="A JSON array of objects")]
AsCsv = Annotated[bool, typer.Option("--csv", help="CSV with a line of names")]
Timeout = Annotated[float, typer.Option(min=0.001, help="Seconds that the query may take")]
MaxRows = Annotated[int, typer.Option(min=1, help="Rows to return at most")]
