"""Pairs of our own with the verdict that a strict reader gives, by kind: `grading_pairs.jsonl`.

The held-out part was written before the grader was changed for the other one, and stays so: a pair
that the grader gets wrong is added to the tuned part, never moved.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

from db.vocabulary import Verdict

FILE = Path(__file__).resolve().parents[2] / "data" / "grading_pairs.jsonl"


@dataclass(frozen=True, slots=True)
class Pair:
    """An answer, a ground truth and the right verdict."""

    answer: str
    truth: str
    verdict: Verdict
    kind: str
    is_held_out: bool


def pairs() -> list[Pair]:
    """All of them, by kind."""
    rows = [json.loads(line) for line in FILE.read_text(encoding="utf-8").splitlines()]
    return [
        Pair(
            row["answer"],
            row["truth"],
            Verdict(row["verdict"]),
            row["kind"],
            row["part"] == "held_out",
        )
        for row in rows
    ]
