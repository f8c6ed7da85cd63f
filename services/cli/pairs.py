"""The commands that list and show preference pairs."""

from __future__ import annotations

from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from services.cli.opening import open_database
from services.cli.options import RunName
from services.cli.pair_view import render
from services.cli.tree_view import visible
from services.errors import ConfigurationError

pairs_app = typer.Typer(help="Preference pairs: list and show them.", no_args_is_help=True)
console = Console()


@pairs_app.command("list")
def list_pairs(run: RunName = None, limit: Annotated[int, typer.Option(min=1)] = 20) -> None:
    """List preference pairs, the widest margin first."""
    from db.queries import pairs

    with open_database() as database:
        widest = pairs.widest(database, run=run, limit=limit)
    table = Table("pair", "kind", "search", "chosen Q", "rejected Q", "question")
    for pair in widest:
        table.add_row(
            str(pair.id),
            pair.kind.value,
            str(pair.search_id),
            f"{pair.chosen_q:+.2f}",
            f"{pair.rejected_q:+.2f}",
            Text(visible(pair.question)[:60].replace("\n", " ")),
        )
    console.print(table)


@pairs_app.command("show")
def show_pair(
    pair: Annotated[int | None, typer.Argument(help="Pair id; else the widest one")] = None,
) -> None:
    """Show one preference pair: the prefix, the chosen step, the rejected step."""
    from db.queries import pairs
    from services.curation.pairs import texts_of

    with open_database() as database:
        if pair is None:
            found = next(iter(pairs.widest(database, run=None, limit=1)), None)
            remedy = "There are no pairs yet. `stepforge demo` makes some."
        else:
            found = pairs.by_id(database, pair)
            remedy = (
                f"There is no preference pair {pair}. `stepforge pairs list` names those there are."
            )
        if found is None:
            raise ConfigurationError(remedy)
        texts = texts_of(database, found)
    console.print(render(found, texts))
