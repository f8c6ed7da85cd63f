"""The commands that need no flow, in the groups that `stepforge --help` shows."""

from __future__ import annotations

import typer

from services.cli.asking import asking_app
from services.cli.database import db_app
from services.cli.datasets import datasets_app
from services.cli.engines import engines_app
from services.cli.pairs import pairs_app
from services.cli.problems import problems_app
from services.cli.relabelling import relabelling_app
from services.cli.review import review_app
from services.cli.rounds import rounds_app
from services.cli.synthesis import synthesis_app
from services.cli.trees import trees_app

app = typer.Typer(
    help="Generates and labels step-level reasoning data.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
app.add_typer(engines_app)
app.add_typer(asking_app)
app.add_typer(relabelling_app)
app.add_typer(rounds_app, name="rounds")
app.add_typer(problems_app, name="problems")
app.add_typer(trees_app, name="trees")
app.add_typer(pairs_app, name="pairs")
app.add_typer(datasets_app, name="datasets")
app.add_typer(db_app, name="db")
problems_app.add_typer(review_app)
problems_app.add_typer(synthesis_app)
