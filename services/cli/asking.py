"""The commands that ask the database: a query of one's own, and the questions of the cookbook."""

from __future__ import annotations

from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from db.errors import QueryRejected
from services.cli.opening import open_database
from services.cli.options import AsCsv, AsJson, MaxRows, Timeout
from services.cli.results import form_of, write

asking_app = typer.Typer()
console = Console()


@asking_app.command()
def query(
    sql: Annotated[str, typer.Argument(help="One SELECT statement")],
    as_json: AsJson = False,
    as_csv: AsCsv = False,
    timeout: Timeout = 60.0,
    max_rows: MaxRows = 1000,
) -> None:
    """Ask the trajectory database; read-only. docs/database.md describes its views."""
    from db.queries import readonly

    with open_database() as database:
        limits = readonly.Limits(seconds=timeout, rows=max_rows)
        result = readonly.run(database, sql, limits=limits)
    write(result, form_of(as_json=as_json, as_csv=as_csv))


@asking_app.command(
    "cookbook", context_settings={"allow_extra_args": True, "ignore_unknown_options": True}
)
def cook(
    context: typer.Context,
    name: Annotated[str, typer.Argument(help="A recipe; without one, they are listed")] = "",
    show_sql: Annotated[bool, typer.Option("--sql", help="Print the query only")] = False,
    as_json: AsJson = False,
    as_csv: AsCsv = False,
    timeout: Timeout = 600.0,
    max_rows: MaxRows = 1000,
) -> None:
    """Answer a question of the cookbook: stepforge cookbook NAME [--parameter=value ...]."""
    from db import cookbook

    if not name:
        _list_recipes()
        return
    recipe = cookbook.recipe(name)
    values = recipe.values(_given(context.args))
    if show_sql:
        console.print(recipe.sql, end="", markup=False, highlight=False, soft_wrap=True)
        return
    from db.queries import readonly

    with open_database() as database:
        limits = readonly.Limits(seconds=timeout, rows=max_rows)
        result = readonly.run(database, recipe.sql, values, limits=limits)
    write(result, form_of(as_json=as_json, as_csv=as_csv), title=recipe.question)


def _list_recipes() -> None:
    from db import cookbook

    table = Table()
    table.add_column("recipe", no_wrap=True)
    table.add_column("question")
    table.add_column("parameters")
    for recipe in cookbook.recipes():
        names = " ".join(f"--{parameter.name}" for parameter in recipe.parameters)
        batch = " (reads every node)" if recipe.time is cookbook.AnswerTime.BATCH else ""
        table.add_row(recipe.name, Text(recipe.question + batch), names)
    console.print(table)


def _given(words: list[str]) -> dict[str, str]:
    """`--name=value` and `--name value`, read."""
    given = {}
    rest = list(words)
    while rest:
        word = rest.pop(0)
        name, equals, value = word.removeprefix("--").partition("=")
        if not word.startswith("--") or not (equals or rest):
            raise QueryRejected(f"Parameters are written as --name=value; {word!r} is not.")
        given[name.replace("-", "_")] = value if equals else rest.pop(0)
    return given
