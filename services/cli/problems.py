"""The commands that import and count problems."""

from __future__ import annotations

from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from services import reporting
from services.cli.opening import open_database
from services.cli.options import (
    Limit,
    Mapping,
    Rejects,
    SkipBad,
)
from services.cli.progress import TerminalReporter

problems_app = typer.Typer(help="Problems: import and count them.", no_args_is_help=True)
console = Console()


@problems_app.command("import")
def import_problems(
    source: Annotated[
        str, typer.Argument(help="A .jsonl, .json or .parquet file, gym:..., hf:...")
    ],
    mapping: Mapping = None,
    limit: Limit = None,
    seed: Annotated[int, typer.Option(help="Seed of generated problems")] = 0,
    skip_bad: SkipBad = False,
    rejects: Rejects = None,
) -> None:
    """Import problems; all of a source or nothing of it, unless --skip-bad is given."""
    from services.problems.faults import rejects_of
    from services.problems.records import parse_mapping
    from services.problems.store import import_source

    with open_database() as database, reporting.reporting_to(TerminalReporter(console)):
        imported = import_source(
            database,
            source,
            mapping=parse_mapping(",".join(mapping or ())),
            limit=limit,
            seed=seed,
            rejects=(rejects or rejects_of(source)) if skip_bad else None,
        )
    console.print(imported.sentence(), highlight=False, markup=False, soft_wrap=True)


@problems_app.command("list")
def list_problems() -> None:
    """Count the problems of each source."""
    from db.queries import problems

    with open_database() as database:
        counts = problems.count_by_source(database)
    table = Table("source", "problems", "with answer", "with solution")
    for row in counts:
        table.add_row(
            Text(row.source), str(row.problems), str(row.with_answer), str(row.with_solution)
        )
    console.print(table)
