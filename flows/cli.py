"""The program's entry: the commands that run flows, beside those of `services.cli`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console

from services import reporting
from services.cli.app import app
from services.cli.boundary import run_command
from services.cli.options import Limit, Mapping  # noqa: TC001  # Typer reads these
from services.cli.progress import TerminalReporter
from services.threads import share_cores

if TYPE_CHECKING:
    from db.records.runs import RunRow
    from db.session import Database
    from services.runs import NewRun

console = Console()

ProfileName = Annotated[
    str, typer.Option("--profile", help="A profile of deploy/profiles, or a .toml file")
]
Source = Annotated[str, typer.Option(help="Problem source; the profile's own when it is not given")]


@app.command()
def demo(
    fresh: Annotated[
        bool, typer.Option("--fresh", help="Start a new run beside the earlier ones")
    ] = False,
    profile: ProfileName = "demo",
    source: Source = "",
    mapping: Mapping = None,
    limit: Limit = None,
) -> None:
    """Run the whole loop on this machine: bootstrap, then rounds of search and training.

    Started again it goes on where it stopped, or shows what was made; --fresh starts a new run.
    """
    _evolve(_wanted("demo", profile, source, mapping, limit), fresh=fresh)


@app.command()
def evolve(
    name: Annotated[str, typer.Argument(help="Name of the run")],
    profile: ProfileName = "demo",
    source: Source = "",
    mapping: Mapping = None,
    limit: Limit = None,
) -> None:
    """Start a run, or go on with the one of this name."""
    _evolve(_wanted(name, profile, source, mapping, limit), fresh=False)


@app.command()
def bootstrap(
    name: Annotated[str, typer.Argument(help="Name of the run")],
    profile: ProfileName = "demo",
    source: Source = "",
    mapping: Mapping = None,
    limit: Limit = None,
) -> None:
    """Make the first policy of a run, and nothing more."""
    from flows.evolution import bootstrap as bootstrap_flow
    from services.config import Settings
    from services.embedded.engines import Engines
    from services.embedded.home import exclusive
    from services.runs import create_run

    wanted = _wanted(name, profile, source, mapping, limit)
    with (
        Engines(Settings()) as engines,
        exclusive(engines.home, "bootstrap"),
        reporting.reporting_to(TerminalReporter(console)),
    ):
        create_run(engines, wanted)
        bootstrap_flow(name)


@app.command()
def report(name: Annotated[str, typer.Argument(help="Name of the run")] = "demo") -> None:
    """Show what a run made, round by round."""
    from services.stages import open_run

    with open_run(name) as context:
        _print_report(context.database, context.run)


def _wanted(
    name: str, profile: str, source: str, mapping: list[str] | None, limit: int | None
) -> NewRun:
    """The options that say what a run is made from, read."""
    from services.problems.records import parse_mapping
    from services.profiles import load_profile
    from services.runs import NewRun

    return NewRun(
        name=name,
        profile=load_profile(profile),
        source=source,
        mapping=parse_mapping(",".join(mapping or ())),
        limit=limit,
    )


def _evolve(wanted: NewRun, *, fresh: bool) -> None:
    from db.queries import runs
    from services.config import Settings
    from services.embedded.engines import Engines
    from services.embedded.home import exclusive
    from services.embedded.orphans import end_orphans
    from services.runs import create_run, fresh_name

    with Engines(Settings()) as engines, exclusive(engines.home, "evolve"):
        with reporting.reporting_to(TerminalReporter(console)):
            reporting.current().say(f"Home folder {engines.home.path}")
            end_orphans(engines.home)
            database = engines.database()
            if fresh:
                wanted = wanted.renamed(fresh_name(database, wanted.name))
            create_run(engines, wanted)
            reporting.current().say("Starting the flows (Prefect, in process)")
            from flows.evolution import evolve as evolve_flow

            evolve_flow(wanted.name)
        run = runs.by_name(database, wanted.name)
        if run is not None:
            _print_report(database, run)
    _print_next_commands()


def _print_report(database: Database, run: RunRow) -> None:
    from services.cli.report import round_table, tier_table

    console.print(round_table(database, run))
    tiers = tier_table(database, run)
    if tiers is not None:
        console.print(tiers)


def _print_next_commands() -> None:
    console.print("Try next:")
    for command in (
        "stepforge trees show",
        "stepforge pairs show",
        'stepforge query "SELECT outcome, count(*) FROM steps GROUP BY outcome"',
        "stepforge cookbook",
    ):
        console.print(f"  .venv/bin/{command}", highlight=False, markup=False, soft_wrap=True)


def main() -> None:
    """Entry point of the `stepforge` program."""
    share_cores()
    run_command(app)


if __name__ == "__main__":
    main()
