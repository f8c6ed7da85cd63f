"""The commands about the database itself: its schema, its reference page, its rules."""

from __future__ import annotations

import sys
from typing import Annotated

import typer
from rich.console import Console

from db.errors import QueryRejected
from services.cli.opening import open_database
from services.cli.options import RunName
from services.errors import ConfigurationError

db_app = typer.Typer(help="The database: upgrade its schema, check its data.", no_args_is_help=True)
console = Console()


@db_app.command("upgrade")
def upgrade_database() -> None:
    """Bring an older database to this version's schema."""
    from db import migrate
    from db.session import Database
    from services.config import Settings
    from services.embedded.engines import Engines

    with Engines(Settings()) as engines:
        database = Database(engines.database_url())
        migrate.upgrade(database)
        console.print(f"The schema is at {migrate.current_revision(database)}.")
        database.close()


@db_app.command("reference")
def print_reference() -> None:
    """Print the reference page of the views, made from the comments in the database."""
    from db.queries import views
    from services.cli.reference import page

    with open_database() as database:
        sys.stdout.write(page(views.described(database)))


@db_app.command("refresh")
def refresh_statistics(
    run: RunName = None,
    round_number: Annotated[int | None, typer.Option("--round", help="Only this round")] = None,
) -> None:
    """Count rounds anew, those that still run included: what the cookbook reads."""
    from db.queries import runs, statistics

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
    from db.queries import integrity
    from services.archives import lifecycle

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
