"""The commands that need no flow: engines, problems, trees, pairs, queries, the database."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path  # noqa: TC003  # Typer reads the annotation
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from db import migrate
from db.errors import QueryRejected
from db.queries import integrity, problems, runs, statistics, trees, views
from db.session import Database
from services import reporting
from services.archives import lifecycle
from services.cli.asking import asking_app
from services.cli.datasets import datasets_app
from services.cli.opening import open_database
from services.cli.pair_view import render as render_pair
from services.cli.progress import TerminalReporter
from services.cli.reference import page
from services.cli.rounds import rounds_app
from services.cli.tree_view import render as render_tree
from services.cli.tree_view import visible
from services.config import Settings
from services.curation.pairs import load_pair
from services.embedded.engines import Engines
from services.errors import ConfigurationError
from services.problems.records import parse_mapping
from services.problems.store import import_source
from services.released.importing import import_trees
from services.status import engine_states

app = typer.Typer(
    help="Generates and labels step-level reasoning data.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
problems_app = typer.Typer(help="Problems: import and count them.", no_args_is_help=True)
trees_app = typer.Typer(help="Search trees: list and show them.", no_args_is_help=True)
pairs_app = typer.Typer(help="Preference pairs: list and show them.", no_args_is_help=True)
db_app = typer.Typer(help="The database: upgrade its schema, check its data.", no_args_is_help=True)
app.add_typer(asking_app)
app.add_typer(rounds_app, name="rounds")
app.add_typer(problems_app, name="problems")
app.add_typer(trees_app, name="trees")
app.add_typer(pairs_app, name="pairs")
app.add_typer(datasets_app, name="datasets")
app.add_typer(db_app, name="db")

console = Console()

Mapping = Annotated[
    str,
    typer.Option("--map", help="Fields of the source, as question=prompt,answer=target,id=uid"),
]
Limit = Annotated[int | None, typer.Option(min=1, help="Take at most so many problems")]
RunName = Annotated[str | None, typer.Option("--run", help="Only this run")]


@app.command()
def up() -> None:
    """Start every engine and leave them running."""
    with Engines(Settings()) as engines:
        engines.home.stays_up.touch()
        engines.start_all(lambda name: console.print(f"  starting {name}", highlight=False))
    status()


@app.command()
def down() -> None:
    """Stop every engine of this home. Nothing is lost; open searches are searched again."""
    engines = Engines(Settings())
    running = [name for name, runs in engines.running().items() if runs]
    engines.stop()
    console.print(f"Stopped {', '.join(running)}." if running else "Nothing was running.")


@app.command()
def status() -> None:
    """Show which engines run, where they are, and how programs are isolated."""
    table = Table("engine", "state", "where", title="Engines", title_justify="left")
    for state in asyncio.run(engine_states(Engines(Settings()))):
        style = "green" if state.running else "yellow"
        table.add_row(state.name, Text(state.state, style=style), Text(state.where))
    console.print(table)


@problems_app.command("import")
def import_problems(
    source: Annotated[
        str, typer.Argument(help="A .jsonl, .json or .parquet file, gym:..., hf:...")
    ],
    mapping: Mapping = "",
    limit: Limit = None,
    seed: Annotated[int, typer.Option(help="Seed of generated problems")] = 0,
    skip_ungradable: Annotated[
        bool, typer.Option(help="Leave out problems whose answer no grader can read")
    ] = False,
) -> None:
    """Import problems; all of a source or nothing of it."""
    with open_database() as database, reporting.reporting_to(TerminalReporter(console)):
        imported = import_source(
            database,
            source,
            mapping=parse_mapping(mapping),
            limit=limit,
            seed=seed,
            skip_ungradable=skip_ungradable,
        )
    console.print(imported.sentence(), highlight=False, markup=False, soft_wrap=True)


@problems_app.command("list")
def list_problems() -> None:
    """Count the problems of each source."""
    with open_database() as database:
        counts = problems.count_by_source(database)
    table = Table("source", "problems", "with answer", "with solution")
    for row in counts:
        table.add_row(
            Text(row.source), str(row.problems), str(row.with_answer), str(row.with_solution)
        )
    console.print(table)


@trees_app.command("import")
def import_released_trees(
    files: Annotated[
        list[Path], typer.Argument(help="Output of rStar-Math's released code: .jsonl or .json")
    ],
    run: Annotated[str, typer.Option("--run", help="Name of the run that they become")],
) -> None:
    """Import trees of rStar-Math's released code as a run; all of them or nothing."""
    with open_database() as database, reporting.reporting_to(TerminalReporter(console)):
        imported = import_trees(database, files, run=run)
    console.print(imported.sentence(), highlight=False, markup=False, soft_wrap=True)


@trees_app.command("list")
def list_trees(
    run: RunName = None,
    round_number: Annotated[int | None, typer.Option("--round", help="Only this round")] = None,
    limit: Annotated[int, typer.Option(min=1)] = 30,
) -> None:
    """List finished searches, the newest round first."""
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
    with open_database() as database:
        found = trees.summary(database, search) if search else trees.newest_solved(database)
        if found is None:
            raise ConfigurationError(
                f"There is no search {search}. `stepforge trees list` names those there are."
                if search
                else "No search has been solved yet. `stepforge demo` makes some."
            )
        nodes = trees.nodes(database, found)
    console.print(render_tree(found, nodes, full=full))


@pairs_app.command("list")
def list_pairs(run: RunName = None, limit: Annotated[int, typer.Option(min=1)] = 20) -> None:
    """List preference pairs, the widest margin first."""
    with open_database() as database:
        pairs = [
            load_pair(database, pair_id)
            for pair_id in trees.widest_pair_ids(database, run=run, limit=limit)
        ]
    table = Table("pair", "kind", "search", "chosen Q", "rejected Q", "question")
    for pair in pairs:
        table.add_row(
            str(pair.pair_id),
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
    with open_database() as database:
        if pair is None:
            widest = trees.widest_pair_ids(database, run=None, limit=1)
            if not widest:
                raise ConfigurationError("There are no pairs yet. `stepforge demo` makes some.")
            pair = widest[0]
        shown = load_pair(database, pair)
    console.print(render_pair(shown))


@db_app.command("upgrade")
def upgrade_database() -> None:
    """Bring an older database to this version's schema."""
    with Engines(Settings()) as engines:
        database = Database(engines.database_url())
        migrate.upgrade(database)
        console.print(f"The schema is at {migrate.current_revision(database)}.")
        database.close()


@db_app.command("reference")
def print_reference() -> None:
    """Print the reference page of the views, made from the comments in the database."""
    with open_database() as database:
        sys.stdout.write(page(views.described(database)))


@db_app.command("refresh")
def refresh_statistics(
    run: RunName = None,
    round_number: Annotated[int | None, typer.Option("--round", help="Only this round")] = None,
) -> None:
    """Count rounds anew, those that still run included: what the cookbook reads."""
    with open_database() as database:
        counted = 0
        for name in runs.names(database) if run is None else [run]:
            found = runs.by_name(database, name)
            if found is None:
                raise ConfigurationError(
                    f"There is no run {name!r} (runs: {', '.join(runs.names(database)) or 'none'})."
                )
            for row in runs.rounds_of(database, found.id):
                if round_number in (None, row.number):
                    statistics.refresh(database, row.id)
                    counted += 1
    console.print(f"Counted {counted} round{'' if counted == 1 else 's'}.")


@db_app.command("check")
def check_database() -> None:
    """Check every rule of the data; exit 1 where one is broken."""
    with open_database() as database:
        broken = integrity.violations(database)
        damaged = lifecycle.damaged(database)
    for violation in broken:
        console.print(
            f"BROKEN: {violation.rule}: {violation.count} times, such as {violation.example}",
            markup=False,
        )
    for sentence in damaged:
        console.print(f"BROKEN: {sentence}", markup=False, soft_wrap=True)
    if broken or damaged:
        raise QueryRejected(
            f"{len(broken)} rules of the data are broken and {len(damaged)} archives are damaged; "
            "see above."
        )
    console.print(f"All {len(integrity.RULES)} rules hold.")
