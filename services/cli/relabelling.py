"""`stepforge relabel`: other labels for trees that are stored, and what they change."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.table import Table

from db.vocabulary import CheckpointKind
from services import reporting
from services.cli.progress import TerminalReporter
from services.errors import ConfigurationError
from services.relabelling.choices import KEEP_PPM, NO_PPM, GraderChoice

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from db.records.labellings import LabellingChange
    from services.grading.base import Grader
    from services.relabelling.relabel import RoundPair
    from services.relabelling.spec import Relabelling
    from services.search.protocols import ValueModel
    from services.stages import RunContext

relabelling_app = typer.Typer()
console = Console()

LIST_PPMS = (
    """`stepforge query "SELECT * FROM checkpoints WHERE kind = 'ppm'"` lists those there are."""
)


@relabelling_app.command()
def relabel(
    run: Annotated[str, typer.Argument(help="Name of the run")],
    round_number: Annotated[int, typer.Option("--round", min=1, help="Round to label again")],
    name: Annotated[str, typer.Option(help="Name of the labelling; its run is RUN.NAME")],
    grader: Annotated[
        GraderChoice, typer.Option(help="Who gives the verdicts, on the truths as they are now")
    ] = GraderChoice.KEEP,
    c: Annotated[
        float | None, typer.Option("--c", help="Exploration constant; rollouts are chosen again")
    ] = None,
    reward: Annotated[
        list[str] | None,
        typer.Option(help="correct=1, wrong=-1, undecided=0 or no_answer=-1; repeat it"),
    ] = None,
    ppm: Annotated[
        str, typer.Option(help="Priors: keep, none, or the id of a PPM checkpoint")
    ] = KEEP_PPM,
) -> None:
    """Label stored trees again, beside their first labels; nothing is generated.

    Values, rewards, verdicts and pairs are recomputed from the recorded visits. Another c changes
    the visits: selection is followed through the recorded tree for as long as it stays in it. The
    policy, the candidates, the depth and the seed cannot be changed without searching.
    """
    from services.relabelling.relabel import open_labelling
    from services.stages import open_run

    spec = _spec(grader, c, reward or [], ppm)
    with open_run(run) as context, reporting.reporting_to(TerminalReporter(console)):
        ppm_path = _ppm_path(context, spec)
        pair = open_labelling(context.database, context.run, round_number, name=name, spec=spec)
        with reporting.current().bar("Relabelling", None) as bar:
            change = asyncio.run(
                _relabel(
                    context,
                    pair,
                    spec,
                    ppm_path,
                    lambda done, total: bar.update(done, total=total),
                )
            )
    console.print(_table(f"{run}.{name}, round {round_number}", change))


def _spec(grader: GraderChoice, c: float | None, rewards: Sequence[str], ppm: str) -> Relabelling:
    """The options, read.

    Raises:
        ConfigurationError: one of them cannot be; says which.
    """
    from pydantic import ValidationError

    from services.frozen import first_fault
    from services.relabelling.spec import Relabelling

    given = dict(entry.partition("=")[::2] for entry in rewards)
    if ppm not in (KEEP_PPM, NO_PPM) and not ppm.isdigit():
        raise ConfigurationError(
            f"--ppm {ppm!r}: give keep, none, or the id of a PPM checkpoint. {LIST_PPMS}"
        )
    try:
        return Relabelling.model_validate(
            {"grader": grader, "exploration": c, "rewards": given, "ppm": ppm}
        )
    except ValidationError as error:
        fault = first_fault(error, whole="the options")
        raise ConfigurationError(f"{fault}. Correct this option.") from error


def _ppm_path(context: RunContext, spec: Relabelling) -> str | None:
    """The folder of the PPM that gives the priors; None where none does.

    Raises:
        ConfigurationError: there is no such PPM.
    """
    from db.queries import checkpoints

    if not spec.ppm.isdigit():
        return None
    found = checkpoints.find_by_id(context.database, int(spec.ppm))
    if found is None or found.kind is not CheckpointKind.PPM:
        raise ConfigurationError(f"There is no PPM checkpoint {spec.ppm}. {LIST_PPMS}")
    return found.path


async def _relabel(
    context: RunContext,
    pair: RoundPair,
    spec: Relabelling,
    ppm: str | None,
    progress: Callable[[int, int], None],
) -> LabellingChange:
    """Open the grader and the PPM that the labelling needs, and label."""
    from services.relabelling.relabel import Labeller
    from services.relabelling.relabel import relabel as relabel_round
    from services.work.owners import owner_name

    async with AsyncExitStack() as stack:
        grader: Grader | None = None
        if spec.grader is GraderChoice.MATH_VERIFY:
            from services.grading.process import ProcessGrader

            grader = ProcessGrader()
            stack.push_async_callback(grader.close)
        elif spec.grader is GraderChoice.PLAIN:
            from services.grading.plain import PlainGrader

            grader = PlainGrader()
        value: ValueModel | None = None
        if ppm is not None:
            from services.inference.client import HttpPpm

            context.engines.start_model_server()
            settings = context.engines.service_settings()
            value = HttpPpm(
                settings.ppm_url.split(","),
                model=ppm,
                api_key=settings.api_key,
                scale=pair.search.ppm_scale,
            )
            stack.push_async_callback(value.close)
        labeller = Labeller(grader, value)
        return await relabel_round(
            context.database, pair, spec, labeller, owner=owner_name(), progress=progress
        )


def _table(title: str, change: LabellingChange) -> Table:
    table = Table("", "", title=title, title_justify="left", show_header=False)
    table.columns[1].justify = "right"
    for name, value in (
        ("trees labelled", f"{change.searches:,}"),
        ("trees left out", f"{change.left_out:,}"),
        ("rollouts followed", f"{change.rollouts:,} of {change.rollouts_before:,}"),
        ("labels changed", f"{change.labels_changed:,} of {change.labels:,}"),
        ("verdicts changed", f"{change.verdicts_changed:,}"),
        ("trees newly solved", f"{change.newly_solved:,}"),
        ("trees no longer solved", f"{change.no_longer_solved:,}"),
        ("pairs kept", f"{change.pairs_kept:,}"),
        ("pairs gained", f"{change.pairs_gained:,}"),
        ("pairs lost", f"{change.pairs_lost:,}"),
    ):
        table.add_row(name, value)
    return table
