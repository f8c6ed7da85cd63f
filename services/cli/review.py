"""`stepforge problems review`: problems whose ground truth may be wrong, and decisions on them."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from db.vocabulary import ReviewDecision
from services.cli.opening import open_database
from services.cli.tree_view import visible
from services.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from db.records.problems import UnsolvedAnswer
    from db.session import Database
    from services.problems.review import Suspicion

review_app = typer.Typer()
console = Console()

SHOWN_CHARACTERS = 60
SHOWN_SEARCHES = 4


@review_app.command("review")
def review_problems(
    run: Annotated[str, typer.Argument(help="Run whose unsolved problems are looked at")] = "demo",
    round_number: Annotated[
        int | None, typer.Option("--round", min=1, help="Round; the newest one else")
    ] = None,
    min_share: Annotated[
        float, typer.Option(min=0, max=1, help="Share of the answers that must agree")
    ] = 0.5,
    min_agreeing: Annotated[
        int, typer.Option(min=1, help="Trajectories that must agree, at least")
    ] = 4,
    mark: Annotated[
        tuple[int, str] | None,
        typer.Option(metavar="ID DECISION", help="Store a decision: ok, mislabelled or ambiguous"),
    ] = None,
    note: Annotated[str, typer.Option(help="With --mark: why")] = "",
) -> None:
    """List problems that no search of a run solved while their wrong answers agree.

    A problem that was marked is not listed again. One that is mislabelled or ambiguous is searched
    no more, and no later dataset version holds its solutions or pairs.
    """
    from db.queries import reviews

    with open_database() as database:
        if mark is not None:
            decision = _decision(mark[1])
            reviews.mark(database, mark[0], decision, note)
            console.print(f"Problem {mark[0]} is marked {decision.value}.", highlight=False)
            return
        answers = _unsolved(database, run, round_number)
    found = asyncio.run(_suspicions(answers, min_share=min_share, min_agreeing=min_agreeing))
    if not found:
        console.print("No unsolved problem has answers that agree so much.", highlight=False)
        return
    console.print(_table(found))


def _decision(word: str) -> ReviewDecision:
    try:
        return ReviewDecision(word)
    except ValueError:
        known = ", ".join(decision.value for decision in ReviewDecision)
        raise ConfigurationError(f"{word!r} is no decision. Give one of {known}.") from None


def _unsolved(database: Database, name: str, number: int | None) -> list[UnsolvedAnswer]:
    """The answers to problems that are unsolved after the round's last tier.

    Raises:
        ConfigurationError: there is no such run or round.
    """
    from db.queries import reviews, runs
    from services.profiles import Profile

    run = runs.by_name(database, name)
    if run is None:
        known = ", ".join(runs.names(database)) or "none yet"
        raise ConfigurationError(f"There is no run {name!r} (runs: {known}).")
    rounds = runs.rounds_of(database, run.id)
    chosen = [r for r in rounds if number is None or r.number == number]
    if not chosen:
        raise ConfigurationError(
            f"Run {name} has no round {number}." if number else f"Run {name} has no round yet."
        )
    profile = Profile.model_validate(run.profile)
    last_tier = len(profile.rounds[chosen[-1].number - 1].search.tiers) - 1
    return reviews.unsolved_answers(database, chosen[-1].id, last_tier=last_tier)


async def _suspicions(
    answers: Sequence[UnsolvedAnswer], *, min_share: float, min_agreeing: int
) -> list[Suspicion]:
    from services.grading.process import ProcessGrader
    from services.problems.review import suspicions

    async with ProcessGrader() as grader:
        return await suspicions(answers, grader, min_share=min_share, min_agreeing=min_agreeing)


def _table(found: Sequence[Suspicion]) -> Table:
    table = Table("problem", "truth", "they say", "share", "of", "searches", "question")
    for it in found:
        more = ", ..." if len(it.search_ids) > SHOWN_SEARCHES else ""
        table.add_row(
            str(it.problem_id),
            Text(_short(it.truth)),
            Text(_short(it.answer)),
            f"{it.share:.0%}",
            str(it.trajectories),
            ", ".join(map(str, it.search_ids[:SHOWN_SEARCHES])) + more,
            Text(_short(it.question)),
        )
    return table


def _short(text: str) -> str:
    return visible(text)[:SHOWN_CHARACTERS].replace("\n", " ")
