"""The texts of the released code in our form of a step.

There the first step begins with `<code>`, a step of final code ends in its observation, and an
answer begins with `<answer>`; here these belong to the prompt between the steps.
"""

from __future__ import annotations

import re

from db.vocabulary import Outcome, StepKind
from services.steps import (
    ANSWER,
    END_OF_ANSWER,
    END_OF_CODE,
    END_OF_OUTPUT,
    END_OF_STEP,
    OUTPUT,
    Step,
    clean,
    shown_error,
    split_ending,
)

_CODE = "<code>"
_EXCEPTION = re.compile(r"(?:^|\s)(\w*(?:Error|Exception|Interrupt|Exit|StopIteration))\b")


def step_of(text: str, *, after: StepKind, is_answer: bool) -> Step:
    """The step that a node's text is."""
    text = clean(text)
    if is_answer:
        body = text.partition(END_OF_ANSWER)[0].strip()
        if after is StepKind.FINAL_CODE:
            body = body.removeprefix(ANSWER).lstrip()
        return Step(StepKind.ANSWER, f"{body}{END_OF_ANSWER}")
    body, ending = split_ending(text)
    body = body.strip("\n").removeprefix(_CODE).strip("\n").rstrip()
    kind = StepKind.FINAL_CODE if ending == END_OF_CODE else StepKind.CODE
    return Step(kind, f"{body}\n{ending or END_OF_STEP}", code=body)


def observation_of(text: str, observation: str) -> str:
    """What the policy saw of the execution, else what the state says of it."""
    shown = clean(text).partition(OUTPUT)[2].partition(END_OF_OUTPUT)[0]
    return (shown or clean(observation)).strip()


def outcome_of(observation: str) -> tuple[Outcome, str | None]:
    """What became of a step, read off its observation: there an exception is printed text."""
    found = _EXCEPTION.search(observation)
    if found is None:
        return Outcome.OK, shown_error(observation) or None
    name = found[1]
    outcome = {"TimeoutError": Outcome.TIMED_OUT, "MemoryError": Outcome.OUT_OF_MEMORY}.get(
        name, Outcome.RAISED
    )
    return outcome, shown_error(observation)
