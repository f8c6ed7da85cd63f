"""Commands for the life of rounds: where their nodes are, moving them, and asking archives."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from services.cli.opening import open_database
from services.cli.options import AsCsv, AsJson, MaxRows, Timeout
from services.cli.results import form_of, write

rounds_app = typer.Typer(
    help="Rounds: where their nodes are, and moving them out of Postgres and back.",
    no_args_is_help=True,
)
console = Console()

Run = Annotated[str, typer.Argument(help="Name of the run")]
Number = Annotated[int, typer.Argument(min=1, help="Number of the round")]
Folder = Annotated[
    Path | None, typer.Option("--to", help="Folder of the Parquet files; archives/ of the home")
]


@rounds_app.command("list")
def list_rounds() -> None:
    """List every round with the place and the size of its nodes."""
    from db.queries import partitions

    with open_database() as database:
        rows = partitions.rounds(database)
    table = Table("run", "round", "finished", "nodes are", "nodes", "MB", "file")
    for row in rows:
        table.add_row(
            Text(row.run),
            str(row.number),
            "yes" if row.finished else "no",
            row.state.value,
            f"{row.nodes:,}",
            f"{row.stored_bytes / 1e6:,.1f}",
            Text(row.path or ""),
        )
    console.print(table)


@rounds_app.command()
def detach(run: Run, number: Number) -> None:
    """Take a round's nodes out of the table `nodes`; they stay in Postgres, beside it."""
    from services.archives import lifecycle

    with open_database() as database:
        lifecycle.detach(database, lifecycle.find(database, run, number))
    _say(f"The nodes of round {number} of {run} are detached. `stepforge rounds attach` undoes it.")


@rounds_app.command()
def archive(run: Run, number: Number, to: Folder = None) -> None:
    """Move a round's nodes to a Parquet file; labels, pairs and datasets stay in Postgres."""
    from services.archives import lifecycle

    with open_database() as database:
        made = lifecycle.archive(database, lifecycle.find(database, run, number), _folder(to))
    _say(f"{made.node_count:,} nodes are in {made.path} ({made.file_bytes / 1e6:,.1f} MB).")


@rounds_app.command()
def attach(
    run: Run,
    number: Number,
    file: Annotated[Path | None, typer.Option("--file", help="Where the file is now")] = None,
) -> None:
    """Put a round's nodes back into the table `nodes`; a file is checked first and kept."""
    from services.archives import lifecycle

    with open_database() as database:
        lifecycle.attach(database, lifecycle.find(database, run, number), file)
    _say(f"The nodes of round {number} of {run} are attached.")


@rounds_app.command()
def retain(
    newest: Annotated[int, typer.Argument(min=1, help="Rounds of each run that stay")],
    to: Folder = None,
) -> None:
    """Archive the finished rounds of every run but its newest ones."""
    from services.archives import lifecycle

    with open_database() as database:
        made = lifecycle.retain(database, newest=newest, folder=_folder(to))
    for row in made:
        _say(f"{row.node_count:,} nodes are in {row.path} ({row.file_bytes / 1e6:,.1f} MB).")
    if not made:
        _say("There was nothing to archive.")


@rounds_app.command()
def query(
    sql: Annotated[str, typer.Argument(help="One query over `nodes`, in DuckDB's SQL")],
    as_json: AsJson = False,
    as_csv: AsCsv = False,
    timeout: Timeout = 60.0,
    max_rows: MaxRows = 1000,
) -> None:
    """Ask the archived rounds where they lie; the view `nodes` holds every archived node."""
    from db.queries import partitions
    from db.queries.readonly import Limits
    from services.archives import asking

    with open_database() as database:
        archives = partitions.archives(database)
    result = asking.ask(archives, sql, limits=Limits(seconds=timeout, rows=max_rows))
    write(result, form_of(as_json=as_json, as_csv=as_csv))


def _folder(given: Path | None) -> Path:
    from services.config import Settings
    from services.embedded.home import open_home

    return given or open_home(Settings().home).archives


def _say(sentence: str) -> None:
    console.print(sentence, highlight=False, markup=False, soft_wrap=True)
