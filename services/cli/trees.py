"""The commands that import, list and show search trees."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from services import reporting
from services.cli.opening import open_database
from services.cli.options import (
    Rejects,
    RunName,
    SkipBad,
)
from services.cli.progress import TerminalReporter
from services.cli.tree_view import render, visible
from services.errors import ConfigurationError

trees_app = typer.Typer(help="Search trees: list and show them.", no_args_is_help=True)
console = Console()


@trees_app.command("import")
def import_released_trees(
    files: Annotated[
        list[Path], typer.Argument(help="Output of rStar-Math's released code: .jsonl or .json")
    ],
    run: Annotated[str, typer.Option("--run", help="Name of the run that they become")],
    skip_bad: SkipBad = False,
    rejects: Rejects = None,
) -> None:
    """Import trees of rStar-Math's released code as a run; all, unless --skip-bad is given."""
    from services.problems.faults import rejects_of
    from services.released.importing import import_trees

    left_out = (rejects or rejects_of(str(files[0]))) if skip_bad else None
    with open_database() as database, reporting.reporting_to(TerminalReporter(console)):
        imported = import_trees(database, files, run=run, rejects=left_out)
    console.print(imported.sentence(), highlight=False, markup=False, soft_wrap=True)


@trees_app.command("list")
def list_trees(
    run: RunName = None,
    round_number: Annotated[int | None, typer.Option("--round", help="Only this round")] = None,
    limit: Annotated[int, typer.Option(min=1)] = 30,
) -> None:
    """List finished searches, the newest round first."""
    from db.queries import trees

    with open_database() as database:
        rows = trees.summaries(database, run=run, round_number=round_number, limit=limit)
    table = Table("search", "run", "round", "solved", "rollouts", "nodes", "question")
    for row in rows:
        table.add_row(
            str(row.search_id),
            Text(row.run_name),
            str(row.round_number),
            "yes" if row.solved else "no",
            str(row.rollouts),
            str(row.node_count),
            Text(visible(row.question)[:70].replace("\n", " ")),
        )
    console.print(table)


@trees_app.command("show")
def show_tree(
    search: Annotated[int | None, typer.Argument(help="Search id; the newest solved one")] = None,
    full: Annotated[bool, typer.Option("--full", help="Whole steps")] = False,
) -> None:
    """Draw one tree: each step with its Q-value, visits and outcome."""
    from db.queries import trees

    with open_database() as database:
        found = trees.summary(database, search) if search else trees.newest_solved(database)
        if found is None:
            raise ConfigurationError(
                f"There is no search {search}. `stepforge trees list` names those there are."
                if search
                else "No search has been solved yet. `stepforge demo` makes some."
            )
        nodes = trees.nodes(database, found)
    console.print(render(found, nodes, full=full))
