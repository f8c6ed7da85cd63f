"""How a model is asked for a new problem, and how what it wrote is read.

The prompt is a list of problems that goes on: a base model continues it, an instructed one too.
Each ends with <end_of_step>, at which generation stops.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from services.problems.records import MOST_QUESTION_CHARACTERS
from services.steps import END_OF_OUTPUT, END_OF_STEP, OUTPUT, STOPS, clean, split_ending

if TYPE_CHECKING:
    from collections.abc import Sequence

PROMPT_VERSION = "list-1"
"""Changes with every change of the text below; it is stored with each problem."""

SHORTEST_QUESTION = 10
"""Characters; what is shorter is not a problem."""

_MARK = "Problem:"
_INTRODUCTION = (
    "These are mathematical problems, each complete in itself and with one answer. The last one is "
    "new: another situation with other numbers.\n\n"
)


def synthesis_prompt(seed_questions: Sequence[str]) -> str:
    """The prompt that continues a list of problems."""
    shown = "".join(f"{_MARK} {clean(q).strip()}{END_OF_STEP}\n\n" for q in seed_questions)
    return f"{_INTRODUCTION}{shown}{_MARK}"


def read_question(text: str) -> str | None:
    """The question that a model wrote; None where it wrote none, or did not come to its end."""
    body, ending = split_ending(clean(text))
    question, another, _ = body.partition(f"\n{_MARK}")
    question = question.strip()
    complete = bool(ending or another)
    marked = any(marker in question for marker in (*STOPS, OUTPUT, END_OF_OUTPUT, _MARK))
    if not complete or marked:
        return None
    return question if SHORTEST_QUESTION <= len(question) <= MOST_QUESTION_CHARACTERS else None
