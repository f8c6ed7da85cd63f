"""The statements that count a round, one file of SQL for each table; `db.queries.statistics` runs
them in this order, on one transaction."""

from __future__ import annotations

from pathlib import Path

FOLDER = Path(__file__).resolve().parent
ORDER = (
    "visited",
    "answers",
    "trees",
    "searches",
    "problems",
    "sources",
    "errors",
    "steps",
    "q",
    "priors",
    "step_pairs",
    "answer_pairs",
    "rounds",
)
TABLES = (
    "search_statistics",
    "problem_statistics",
    "source_statistics",
    "step_statistics",
    "q_statistics",
    "prior_statistics",
    "pair_statistics",
    "round_statistics",
)


def statements() -> list[str]:
    """The statements in order; their parameters are `:round_id` and `:bins`."""
    return [(FOLDER / f"{name}.sql").read_text(encoding="utf-8") for name in ORDER]
