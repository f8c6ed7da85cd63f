"""Reference solutions in prose become code-augmented steps, the bootstrap policy's first lessons.

A solution converts only if each of its equations could be read and one of its results is the
answer. Whether the code runs and prints that answer is for the sandbox to say
(`services.problems.bootstrap_set`); nothing is executed here.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING

from db.vocabulary import StepKind
from services.problems.equations import read_equations
from services.problems.expressions import uses
from services.problems.given import read_given, with_percentage
from services.problems.programs import Program
from services.problems.wording import comment_for, name_for, strip_list_mark
from services.steps import END_OF_ANSWER, END_OF_CODE, END_OF_STEP, segment

if TYPE_CHECKING:
    from collections.abc import Sequence

    from services.problems.equations import Equation, Reading
    from services.problems.given import Given


_CONSTANTS = frozenset(Fraction(k) for k in (1, 2, 7, 12, 24, 30, 52, 60, 100, 365))
"""Numbers that a solution may know without the question: days, months, hours, percent."""


@dataclass(frozen=True, slots=True)
class DraftSolution:
    """The code of a solution, step by step. Each is a comment and Python, without its ending."""

    steps: tuple[str, ...]
    """At least two; the last one prints the answer and is the final code."""


@dataclass(frozen=True, slots=True)
class SolutionStep:
    """A step of a finished solution. `text` is canonical, as `services.steps.parse_step` gives."""

    kind: StepKind
    text: str
    observation: str = ""


def convert(question: str, answer: str, solution: str) -> DraftSolution | None:
    """Turn a reference solution's worked equations into steps, or None where that is unsafe.

    Reads GSM8K's calculator notes (`<<48/2=24>>`) and plain equations in prose (`28 x 4 = 112`).
    Unsafe is a solution without the answer among its results, one that uses a number which an
    unreadable equation gave, and one where a number could mean the question's or a result.
    """
    target = _answer_value(answer)
    lines = solution.partition("\n####")[0].splitlines()
    readings = [read_equations(with_percentage(strip_list_mark(x), question)) for x in lines]
    last = max((k for k, reading in enumerate(readings) if _gives(reading, target)), default=None)
    if target is None or last is None:
        return None
    readings = readings[: last + 1]
    given = read_given(question)
    equations = [equation for reading in readings for equation in reading.equations]
    underived = frozenset[Fraction]().union(*(reading.underived for reading in readings))
    used = {use.number.value for equation in equations for use in uses(equation.expression)}
    if any(not given.mentions(value) for value in used & underived) or _is_ambiguous(
        equations, given
    ):
        return None
    program = Program(given, _CONSTANTS)
    steps: list[str] = []
    for reading in readings:
        if reading.equations:
            steps.append(_step(len(steps) + 1, reading, program))
    result = next(v for v in reversed(program.variables) if v.shown.value == target)
    return DraftSolution((*steps, f"# Now print the final answer\n{program.print_line(result)}"))


def _step(position: int, reading: Reading, program: Program) -> str:
    """The comment and the assignments of one sentence, appended to the program."""
    comment = comment_for(reading, program)
    assignments = []
    for equation in reading.equations:
        name = name_for(reading, equation, {variable.name for variable in program.variables})
        assignments.append(program.assign(name, equation))
    if not comment:
        comment = f"Compute {program.variables[-1].name.replace('_', ' ')}"
    return "\n".join([f"# Step {position}: {comment}", *assignments])


def _gives(reading: Reading, target: Fraction | None) -> bool:
    return any(equation.shown.value == target for equation in reading.equations)


def _is_ambiguous(equations: Sequence[Equation], given: Given) -> bool:
    """Whether a result equals a known number and is used so often that both may be meant."""
    for position, equation in enumerate(equations):
        if equation.shown.is_pointed:
            continue
        value = equation.shown.value
        later = [use for e in equations[position + 1 :] for use in uses(e.expression)]
        same = [use for use in later if use.number.value == value]
        if len(same) < 2:
            continue
        if any(given.holds(use) for use in same):
            return True
        if value in _CONSTANTS and not all(use.added for use in same):
            return True
    return False


def render(draft: DraftSolution, observation: str) -> tuple[SolutionStep, ...]:
    """The steps of a solution whose final code printed `observation`, the answer included."""
    *body, final = draft.steps
    answer = f"The answer is \\boxed{{{observation}}}{END_OF_ANSWER}"
    return (
        *(SolutionStep(StepKind.CODE, f"{code}\n{END_OF_STEP}") for code in body),
        SolutionStep(StepKind.FINAL_CODE, f"{final}\n{END_OF_CODE}", observation),
        SolutionStep(StepKind.ANSWER, answer),
    )


def completion(steps: Sequence[SolutionStep]) -> str:
    """The text that follows `root_prompt(question)` in a solution of these steps."""
    return "".join(segment(step.kind, step.text, step.observation) for step in steps)


def _answer_value(answer: str) -> Fraction | None:
    try:
        return Fraction(answer.replace(",", "").strip().strip("$€£%"))
    except (ValueError, ZeroDivisionError):
        return None
