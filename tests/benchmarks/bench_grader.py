"""The grader on pairs with known verdicts, and on real answers.

    python -m tests.benchmarks.bench_grader [--answers FILE.jsonl ...]

Prints the verdicts on the corpus (`tests/data/grading_pairs.jsonl`) by kind, and how the answers of
the files, or of reasoning-gym's problems where there are none, fare against themselves and against
the next unlike answer. Writes build/bench/grader.json.
"""

from __future__ import annotations

import argparse
import asyncio
import itertools
import json
import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import reasoning_gym
from rich.console import Console
from rich.table import Table

from db.vocabulary import Verdict
from services.config import REPOSITORY
from services.grading.process import ProcessGrader
from tests.unit.grading.corpus import Pair, pairs
from tests.unit.grading.pairs import ENDLESS, UNREADABLE

if TYPE_CHECKING:
    from collections.abc import Sequence

RESULT = REPOSITORY / "build" / "bench" / "grader.json"
LIMIT_SECONDS = 2.0
GYM = ("gsm_symbolic", "simple_equations", "polynomial_equations", "fraction_simplification")
GYM_PROBLEMS = 200

console = Console(width=140)


@dataclass(frozen=True, slots=True)
class Counts:
    """Verdicts on pairs whose right verdict is known."""

    pairs: int
    false_equal: int
    false_different: int
    undecided: int

    @classmethod
    def of(cls, graded: Sequence[tuple[Pair, Verdict]]) -> Counts:
        wrong = Counter(verdict for pair, verdict in graded if verdict is not pair.verdict)
        return cls(
            len(graded),
            wrong[Verdict.EQUAL],
            wrong[Verdict.DIFFERENT],
            wrong[Verdict.UNDECIDED],
        )


async def grade_all(
    grader: ProcessGrader, asked: Sequence[tuple[str, str]]
) -> tuple[list[Verdict], float]:
    """The verdicts, and how many pairs a second were graded."""
    started = time.perf_counter()
    verdicts = await asyncio.gather(*(grader.grade(answer, truth=truth) for answer, truth in asked))
    return verdicts, len(asked) / max(time.perf_counter() - started, 1e-9)


async def longest() -> float:
    """How long the grader spends on a comparison that never ends, in seconds."""
    times = []
    async with ProcessGrader(limit_seconds=LIMIT_SECONDS) as grader:
        for answer in ENDLESS:
            await grader.grade("x(x+1)", truth="x^2 + x")  # The process has started.
            started = time.perf_counter()
            await grader.grade(answer, truth="5")
            times.append(time.perf_counter() - started)
    return max(times)


async def measure(files: Sequence[Path]) -> dict[str, object]:
    """Take every figure; the keys are those of build/bench/grader.json."""
    sets = [answers_of(file) for file in files] or [gym_answers(name) for name in GYM]
    answers = list(itertools.chain.from_iterable(sets))
    neighbours = [
        (left, right) for one in sets for left, right in itertools.pairwise(one) if left != right
    ]
    async with ProcessGrader(processes=2, limit_seconds=10.0) as grader:
        known = pairs()
        verdicts, _ = await grade_all(grader, [(pair.answer, pair.truth) for pair in known])
        graded = list(zip(known, verdicts, strict=True))
        itself, rate = await grade_all(grader, [(f"$\\boxed{{{one}}}$", one) for one in answers])
        beside, _ = await grade_all(grader, neighbours)
        unreadable, _ = await grade_all(grader, UNREADABLE)
    counts = Counts.of(graded)
    show(graded)
    like = [
        pair for pair, verdict in zip(neighbours, beside, strict=True) if verdict is Verdict.EQUAL
    ]
    endless = await longest()
    self_equal = itself.count(Verdict.EQUAL)
    console.print(
        f"{self_equal} of {len(answers)} answers equal themselves ({rate:,.0f} a second); of "
        f"{len(neighbours)} neighbours that differ as strings {len(like)} are equal {like}; "
        f"{unreadable.count(Verdict.UNDECIDED)} of {len(unreadable)} unreadable answers are "
        f"undecided; an endless comparison ended after {endless:.2f} s, its limit being "
        f"{LIMIT_SECONDS:.0f} s.",
        markup=False,
    )
    return {
        "pairs": counts.pairs,
        "false_equal": counts.false_equal,
        "false_different": counts.false_different,
        "undecided": counts.undecided,
        "self_equal": self_equal,
        "answers": len(answers),
        "neighbours": len(neighbours),
        "neighbours_equal": [list(pair) for pair in like],
        "longest_grading_s": endless,
    }


def show(graded: Sequence[tuple[Pair, Verdict]]) -> None:
    """A table with a line a kind and part, and every pair that was not graded right."""
    table = Table(title="Verdicts on the corpus")
    for name in ("kind", "part", "pairs", "false equal", "false different", "undecided"):
        table.add_column(name, justify="left" if name in ("kind", "part") else "right")
    parts = {"tuned": False, "held out": True}
    for kind in dict.fromkeys(pair.kind for pair, _ in graded):
        for part, is_held_out in parts.items():
            rows = [
                row for row in graded if row[0].kind == kind and row[0].is_held_out is is_held_out
            ]
            add_row(table, kind, part, rows)
    table.add_section()
    for part, is_held_out in parts.items():
        add_row(table, "all", part, [row for row in graded if row[0].is_held_out is is_held_out])
    add_row(table, "all", "", graded)
    console.print(table)
    for pair, verdict in graded:
        if verdict is not pair.verdict:
            console.print(
                f"{pair.answer} | {pair.truth}: {verdict.value}, not {pair.verdict.value}",
                markup=False,
            )


def add_row(table: Table, kind: str, part: str, rows: Sequence[tuple[Pair, Verdict]]) -> None:
    found = Counts.of(rows)
    numbers = (found.pairs, found.false_equal, found.false_different, found.undecided)
    table.add_row(kind, part, *map(str, numbers))


def answers_of(file: Path) -> list[str]:
    return [str(json.loads(line)["answer"]) for line in file.read_bytes().splitlines() if line]


def gym_answers(name: str) -> list[str]:
    problems = reasoning_gym.create_dataset(name, size=GYM_PROBLEMS, seed=1)
    return [str(problem["answer"]) for problem in problems]


def main() -> None:
    """Measure, print and write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--answers", nargs="*", type=Path, default=[], help="JSONL files")
    figures = asyncio.run(measure(parser.parse_args().answers))
    RESULT.parent.mkdir(parents=True, exist_ok=True)
    RESULT.write_text(json.dumps(figures, indent=2), encoding="utf-8")
    console.print(f"Written to {RESULT}.", markup=False)


if __name__ == "__main__":
    main()
