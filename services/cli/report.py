"""The table that ends a run: what each round made, what it cost, what it changed."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING

from rich.table import Table

from db.queries import checkpoints, report
from db.vocabulary import CheckpointKind, StageName
from services.stages import BOOTSTRAP_ROUND

if TYPE_CHECKING:
    from db.records.checkpoints import EvaluationRow
    from db.records.runs import RunRow
    from db.session import Database

MISSING = "-"


def round_table(database: Database, run: RunRow) -> Table:
    """One column a round, one row a figure."""
    rounds = report.rounds(database, run.id)
    scores = {
        row.round_number: row
        for row in checkpoints.evaluations(database, run.id)
        if row.benchmark == "held_out"
    }
    times: dict[int, dict[StageName, float]] = defaultdict(dict)
    for stage in report.stage_times(database, run.id):
        times[stage.round_number][stage.name] = stage.seconds
    table = Table(title=f"Run {run.name}", title_justify="left")
    table.add_column("")
    table.add_column("bootstrap", justify="right")
    for row in rounds:
        table.add_column(f"round {row.round_number}", justify="right")
    figures = {
        "problems": [row.problems for row in rounds],
        "solved": [row.solved for row in rounds],
        "newly solved": [row.newly_solved for row in rounds],
        "trees": [row.searches for row in rounds],
        "nodes": [row.nodes for row in rounds],
        "trajectories": [row.trajectories for row in rounds],
        "of them correct": [row.correct_trajectories for row in rounds],
        "preference pairs": [row.pairs for row in rounds],
        "generated tokens": [row.tokens for row in rounds],
    }
    for name, values in figures.items():
        table.add_row(name, MISSING, *(f"{value:,}" for value in values))
    table.add_section()
    searching: list[float | None] = [
        times[row.round_number].get(StageName.SEARCH) for row in rounds
    ]
    for unit, made in (
        ("newly solved problem", [row.newly_solved for row in rounds]),
        ("preference pair", [row.pairs for row in rounds]),
    ):
        tokens = [_share(row.tokens, n) for row, n in zip(rounds, made, strict=True)]
        spent = [_share(s, n) for s, n in zip(searching, made, strict=True)]
        table.add_row(f"tokens a {unit}", MISSING, *tokens)
        table.add_row(f"search s a {unit}", MISSING, *spent)
    numbers = [row.round_number for row in rounds]
    before = [_score(scores, _newest(scores, number - 1)) for number in numbers]
    after = [_score(scores, number) for number in numbers]
    table.add_section()
    table.add_row("policy pass@1 before", MISSING, *before)
    table.add_row("policy pass@1 after", _score(scores, BOOTSTRAP_ROUND), *after)
    table.add_row(
        "PPM pair accuracy", MISSING, *(_pair_accuracy(database, run.id, n) for n in numbers)
    )
    table.add_section()
    for name in dict.fromkeys(name for stages in times.values() for name in stages):
        seconds = [times[number].get(name) for number in (BOOTSTRAP_ROUND, *numbers)]
        table.add_row(f"{name}, s", *(MISSING if s is None else f"{s:.0f}" for s in seconds))
    return table


def tier_table(database: Database, run: RunRow) -> Table | None:
    """What each tier of the escalation did; None where no round escalated."""
    rows = report.tiers(database, run.id)
    if not rows:
        return None
    table = Table("round", "tier", "searches", "solved", "rollouts", "tokens", "tokens a solved")
    table.title, table.title_justify = "Escalation", "left"
    for row in rows:
        counts = (row.searches, row.solved, row.rollouts, row.tokens)
        table.add_row(
            *(str(row.round_number), str(row.tier)),
            *(f"{count:,}" for count in counts),
            _share(row.tokens, row.solved),
        )
    return table


def _share(cost: float | None, made: int) -> str:
    """Cost of one of what was made; nothing where nothing was."""
    if cost is None or not made:
        return MISSING
    each = cost / made
    return f"{each:,.0f}" if each >= 10 else f"{each:.1f}"


def _newest(scores: dict[int, EvaluationRow], number: int) -> int:
    """The last round up to `number` whose policy was evaluated: a round may train none."""
    return max((n for n in scores if n <= number), default=number)


def _score(scores: dict[int, EvaluationRow], number: int) -> str:
    row = scores.get(number)
    return MISSING if row is None else f"{row.correct / row.total:.1%} ({row.correct}/{row.total})"


def _pair_accuracy(database: Database, run_id: int, number: int) -> str:
    checkpoint = checkpoints.find(
        database, run_id=run_id, round_number=number, kind=CheckpointKind.PPM
    )
    if checkpoint is None:
        return MISSING
    accuracy = checkpoint.metrics.get("pair_accuracy")
    pairs = checkpoint.metrics.get("held_out_pairs")
    return f"{accuracy:.0%} of {pairs}" if isinstance(accuracy, float) else MISSING
