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
from services.problems.equations import numbers_in, read_equations
from services.problems.programs import Program
from services.problems.wording import comment_for, name_for, strip_list_mark
from services.steps import END_OF_ANSWER, END_OF_CODE, END_OF_STEP, segment

if TYPE_CHECKING:
    from collections.abc import Sequence

    from services.problems.programs import Variable


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
    """
    target = _answer_value(answer)
    if target is None:
        return None
    given = frozenset(value for _, _, value in numbers_in(question))
    program = Program(given)
    steps: list[str] = []
    underived: set[Fraction] = set()
    end: tuple[int, Variable] | None = None
    for line in solution.partition("\n####")[0].splitlines():
        reading = read_equations(strip_list_mark(line))
        underived |= reading.underived
        if not reading.equations:
            continue
        comment = comment_for(reading, program, given)
        assignments = []
        for equation in reading.equations:
            taken = {variable.name for variable in program.variables}
            assignments.append(program.assign(name_for(reading, equation, taken), equation))
        head = f"# Step {len(steps) + 1}: {comment or 'Compute the ' + _words(program)}"
        steps.append("\n".join([head, *assignments]))
        found = [v for v in program.variables[-len(assignments) :] if v.shown == target]
        end = (len(steps), found[-1]) if found else end
    if end is None or (program.literals & underived) - given:
        return None
    final = f"# Now print the final answer\n{program.print_line(end[1])}"
    return DraftSolution((*steps[: end[0]], final))


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


def _words(program: Program) -> str:
    return program.variables[-1].name.replace("_", " ")
