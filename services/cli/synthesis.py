"""`stepforge problems synthesise`: new problems for a run."""

from __future__ import annotations

from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from services import reporting
from services.cli.progress import TerminalReporter

synthesis_app = typer.Typer()
console = Console()


@synthesis_app.command("synthesise")
def synthesise_problems(
    run: Annotated[str, typer.Argument(help="Run whose training problems are the seeds")],
    count: Annotated[int, typer.Option(min=1, help="Drafts to write")] = 20,
    seed: Annotated[int, typer.Option(help="Names the batch; the same one goes on")] = 0,
    writer: Annotated[
        str, typer.Option(help="Model that writes; else STEPFORGE_BOOTSTRAP_MODEL, or the base")
    ] = "",
    temperature: Annotated[float, typer.Option(min=0, help="Of writing and of solving")] = 0.8,
    solutions: Annotated[int, typer.Option(min=1, help="Solutions a draft")] = 10,
    agreeing: Annotated[int, typer.Option(min=1, help="Solutions that must agree")] = 3,
) -> None:
    """Write new problems from a run's own; those on whose answer enough solutions agree join it.

    Started again with the same seed it goes on where it stopped.
    """
    from services.problems.synthesis import Rule
    from services.problems.synthesis_stage import Wanted, synthesise_stage
    from services.stages import open_run

    wanted = Wanted(
        count=count,
        seed=seed,
        writer=writer,
        temperature=temperature,
        rule=Rule(solutions=solutions, least_agreeing=agreeing),
    )
    with open_run(run) as context, reporting.reporting_to(TerminalReporter(console)):
        counts = synthesise_stage(context, wanted)
    table = Table("draft", "problems")
    for row in counts:
        table.add_row(row.status.value, str(row.drafts))
    console.print(table)
