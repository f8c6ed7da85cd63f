r"""The text form of a step: what the policy reads, what it writes, what of it is code.

A solution is one string, the concatenation of `root_prompt(question)` and the segments of its
steps; nothing else ever stands between them, so a prefix of a solution is always a valid prompt.

    <|user|>:
    {question}
    <|assistant|>: Let's think step by step and solve the problem with code.
    <code>
    # Step 1: ...
    python
    <end_of_step>
    # Now print the final answer
    print(result)
    <end_of_code>
    <output>42<end_of_output>
    <answer>... \boxed{42}<end_of_answer>

Source: rStar-Math, arXiv 2501.04519, section 3.2 and appendix A.3 (code-augmented CoT).
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from db.vocabulary import StepKind
from services.sandbox.guest.shortening import shorten
from services.written_code import program_of

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

END_OF_STEP = "<end_of_step>"
END_OF_CODE = "<end_of_code>"
END_OF_ANSWER = "<end_of_answer>"
END_OF_OUTPUT = "<end_of_output>"
OUTPUT = "<output>"
ANSWER = "<answer>"

STOPS = (END_OF_STEP, END_OF_CODE, END_OF_ANSWER)
"""Generation of a step ends with the first of these, which is kept in its text."""

WORDS = frozenset((StepKind.THOUGHT, StepKind.SUBQUESTION, StepKind.REANSWER, StepKind.REPHRASED))
"""Steps of a solution in words: nothing of them is executed."""

OBSERVATION_CHARACTERS = 400
"""A longer observation is cut in its middle before the policy sees it."""

ERROR_CHARACTERS = 500
"""A longer exception message is cut in its middle before it is stored."""


@dataclass(frozen=True, slots=True)
class Candidate:
    """A step as the policy proposed it."""

    text: str
    """As generated, its ending included; without one where the length limit cut it."""
    tokens: int
    """Generated tokens, the ending included."""


@dataclass(frozen=True, slots=True)
class Step:
    """A candidate, read. `text` is canonical: equal steps have equal texts."""

    kind: StepKind
    text: str
    code: str = ""
    """What is to be executed; empty for an answer."""
    answer: str = ""
    r"""The content of the last \boxed{} of an answer step."""


def root_prompt(question: str) -> str:
    """The prompt from which the first step is generated."""
    return (
        f"<|user|>:\n{clean(question).strip()}\n"
        "<|assistant|>: Let's think step by step and solve the problem with code.\n<code>\n"
    )


def words_prompt(question: str) -> str:
    """What stands before the steps of a solution in words, as a model is trained on it."""
    return f"<|user|>:\n{clean(question).strip()}\n<|assistant|>: Let's think step by step.\n"


def in_words(kinds: Iterable[StepKind]) -> bool:
    """Whether steps of these kinds are a solution in words: no code is among them."""
    return all(kind in WORDS or kind is StepKind.ANSWER for kind in kinds)


def solution_prompt(question: str, kinds: Collection[StepKind]) -> str:
    """What stands before a solution of these steps as a training example."""
    return words_prompt(question) if kinds and in_words(kinds) else root_prompt(question)


def parse_step(text: str, *, after: StepKind) -> Step:
    """Read what the policy wrote after a step of kind `after`.

    After the final code comes an answer, before it comes code; whatever does not fit is
    `StepKind.UNPARSABLE`, with its text kept for the record.
    """
    text = clean(text)
    body, ending = split_ending(text)
    if not body.strip():
        return Step(StepKind.UNPARSABLE, text)
    if after is StepKind.FINAL_CODE:
        answer = boxed(body) if ending == END_OF_ANSWER else ""
        if not answer:
            return Step(StepKind.UNPARSABLE, text)
        return Step(StepKind.ANSWER, f"{body.strip()}{END_OF_ANSWER}", answer=answer)
    if ending not in (END_OF_STEP, END_OF_CODE):
        return Step(StepKind.UNPARSABLE, text)
    kind = StepKind.CODE if ending == END_OF_STEP else StepKind.FINAL_CODE
    code = program_of(body)
    if not code:
        return Step(StepKind.UNPARSABLE, text)
    return Step(kind, f"{code}\n{ending}", code=code)


def segment(kind: StepKind, text: str, observation: str) -> str:
    """What a step adds to the prompt of the steps after it."""
    if kind is StepKind.CODE or kind in WORDS:
        return f"{text}\n"
    if kind is StepKind.FINAL_CODE:
        return f"{text}\n{OUTPUT}{observation}{END_OF_OUTPUT}\n{ANSWER}"
    return text


def shown_observation(text: str) -> str:
    """A program's output as it may stand in a prompt: short, and without our own markers."""
    text = clean(text).strip()
    for marker in (*STOPS, END_OF_OUTPUT, OUTPUT, ANSWER):
        text = text.replace(marker, "")
    return shorten(text, OBSERVATION_CHARACTERS)


def shown_error(text: str) -> str:
    """What became of a step that failed, as it is stored."""
    return shorten(text, ERROR_CHARACTERS)


def split_ending(text: str) -> tuple[str, str]:
    """The text before the first ending, and that ending (empty where there is none)."""
    found = [(text.find(stop), stop) for stop in STOPS if stop in text]
    if not found:
        return text, ""
    position, stop = min(found)
    return text[:position], stop


_BOX = re.compile(r"\\(?:boxed|fbox)(?:\s*(\{)|\s+(?=[^\s{]))")


def boxed(text: str) -> str:
    r"""The content of the last balanced box in a text, or an empty string.

    A box is `\boxed{...}` or `\fbox{...}`, with or without a space before the brace, or a bare
    `\boxed 12`.
    """
    boxes = list(_BOX.finditer(text))
    if not boxes:
        return ""
    opened = boxes[-1]
    start = opened.end()
    if opened.group(1) is None:
        return str(re.split(r"[\s$]", text[start:], maxsplit=1)[0]).rstrip(".,;")
    depth = 1
    for position in range(start, len(text)):
        escaped = text[position - 1] == "\\"
        depth += 0 if escaped else {"{": 1, "}": -1}.get(text[position], 0)
        if depth == 0:
            return text[start:position].strip()
    return ""


def clean(text: str) -> str:
    """Text that Postgres and UTF-8 can hold: no NUL, no lone surrogate."""
    return text.replace("\x00", "").encode("utf-8", "replace").decode("utf-8")
