"""Options that several commands have."""

from __future__ import annotations

from typing import Annotated

import typer

Mapping = Annotated[
    str,
    typer.Option("--map", help="Fields of the source, as question=prompt,answer=target,id=uid"),
]
Limit = Annotated[int | None, typer.Option(min=1, help="Take at most so many problems")]
RunName = Annotated[str | None, typer.Option("--run", help="Only this run")]
