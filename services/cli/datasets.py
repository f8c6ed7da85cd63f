"""The commands about dataset versions."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from services import reporting
from services.cli.opening import open_database
from services.cli.progress import TerminalReporter
from services.curation.export_forms import FileKind, Format

datasets_app = typer.Typer(
    help="Dataset versions: make, look at, compare and export them.", no_args_is_help=True
)
console = Console()

Version = Annotated[str, typer.Argument(help="Name of a version, or RUN/ROUND/KIND")]


@datasets_app.command("create")
def create_dataset(
    name: Annotated[str, typer.Argument(help="Name of the version")],
    spec: Annotated[str, typer.Option("--spec", help="A spec of deploy/curation, or a .toml file")],
    run: Annotated[str | None, typer.Option("--run", help="Run; the only one there is")] = None,
    decontaminate: Annotated[
        list[str] | None,
        typer.Option("--decontaminate", help="A problem source to keep out; may be repeated"),
    ] = None,
) -> None:
    """Make a version; the same spec over the same data gives the same content."""
    from services.curation.spec import load_spec
    from services.curation.versions import create_version, find_run

    wanted = load_spec(spec)
    with open_database() as database, reporting.reporting_to(TerminalReporter(console)):
        made = create_version(
            database,
            name,
            wanted,
            run=find_run(database, run),
            decontaminate=decontaminate or (),
        )
    console.print(made.sentence(), highlight=False, markup=False, soft_wrap=True)


@datasets_app.command("list")
def list_datasets() -> None:
    """List every version, those of the curate stages too."""
    from db.queries import datasets
    from services.cli.dataset_view import version_table

    with open_database() as database:
        console.print(version_table(datasets.described(database)))


@datasets_app.command("show")
def show_dataset(
    name: Version,
    exclusions: Annotated[
        int, typer.Option(min=0, help="Problems that were left out to list at most")
    ] = 20,
) -> None:
    """Print the datasheet of a version."""
    from db.queries import datasheets
    from services.cli.dataset_view import Datasheet, render_datasheet
    from services.curation.versions import find_version

    with open_database() as database:
        version = find_version(database, name)
        sheet = Datasheet(
            version=version,
            problems=datasheets.problem_count(database, version.id),
            sections=datasheets.sections(database, version.id),
            exclusions=datasheets.exclusions(database, version.id, limit=exclusions),
        )
    console.print(render_datasheet(sheet))


@datasets_app.command("diff")
def diff_datasets(first: Version, second: Version) -> None:
    """Show how two versions differ, in items and in specs."""
    from db.queries import datasheets
    from services.cli.dataset_view import render_difference
    from services.curation.versions import find_version

    with open_database() as database:
        left, right = find_version(database, first), find_version(database, second)
        difference = datasheets.difference(database, left.id, right.id)
    console.print(render_difference(left, right, difference))


@datasets_app.command("export")
def export_dataset(
    name: Version,
    to: Annotated[Path, typer.Option("--to", help="Folder; new, or of this very export")],
    form: Annotated[Format, typer.Option("--format", help="What a row is")] = Format.SFT,
    kind: Annotated[FileKind, typer.Option("--as", help="What the files are")] = FileKind.JSONL,
    shard_rows: Annotated[int, typer.Option(min=1, help="Rows a file")] = 50_000,
    threshold: Annotated[
        float, typer.Option(help="Q above which a step of a stepwise row has the label 1")
    ] = 0.0,
) -> None:
    """Write a version as a Hugging Face dataset; stopped anywhere, run it again to go on."""
    from services.curation.export import ExportPlan, export
    from services.curation.versions import find_version

    with open_database() as database, reporting.reporting_to(TerminalReporter(console)):
        version = find_version(database, name)
        plan = ExportPlan(
            version=version.title,
            content_hash=version.content_hash.hex(),
            format=form,
            file_kind=kind,
            rows_a_shard=shard_rows,
            threshold=threshold,
        )
        done = export(database, version, to, plan)
    console.print(
        f"{done.rows:,} rows in {done.shards} files in {to} ({done.written} written now). "
        f'Load it with datasets.load_dataset("{to}").',
        highlight=False,
        markup=False,
        soft_wrap=True,
    )
