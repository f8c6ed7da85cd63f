"""The commands that start, stop and show the engines of a home."""

from __future__ import annotations

import asyncio

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

engines_app = typer.Typer()
console = Console()


@engines_app.command()
def up() -> None:
    """Start every engine and leave them running."""
    from services.config import Settings
    from services.embedded.engines import Engines

    with Engines(Settings()) as engines:
        engines.home.stays_up.touch()
        engines.start_all(lambda name: console.print(f"  starting {name}", highlight=False))
    status()


@engines_app.command()
def down() -> None:
    """Stop every engine of this home. Nothing is lost; open searches are searched again."""
    from services.config import Settings
    from services.embedded.engines import Engines

    engines = Engines(Settings())
    running = [name for name, runs in engines.running().items() if runs]
    engines.stop()
    console.print(f"Stopped {', '.join(running)}." if running else "Nothing was running.")


@engines_app.command()
def status() -> None:
    """Show which engines run, where they are, and how programs are isolated."""
    from services.config import Settings
    from services.embedded.engines import Engines
    from services.status import engine_states

    table = Table("engine", "state", "where", title="Engines", title_justify="left")
    for state in asyncio.run(engine_states(Engines(Settings()))):
        style = "green" if state.running else "yellow"
        table.add_row(state.name, Text(state.state, style=style), Text(state.where))
    console.print(table)
