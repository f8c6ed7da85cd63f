"""The public forms of problem files, and where each of them keeps our fields.

A row has a form where all the paths of its signature lead somewhere; the first such form of
`PUBLIC_FORMS` is taken. Instructions around a question are cut off only where the form is known to
have them and only where the whole wording stands there.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

Field = str
Path = str

_DAPO_BEFORE = (
    "Solve the following math problem step by step. The last line of your response should be of "
    "the form Answer: $Answer (without quotes) where $Answer is the answer to the problem.\n\n"
)
_DAPO_AFTER = '\n\nRemember to put your answer on its own line after "Answer:".'
_STEP_BY_STEP = "Let's think step by step and output the final answer "


@dataclass(frozen=True, slots=True)
class PublicForm:
    """One form that others publish problems in."""

    name: str
    signature: tuple[Path, ...]
    """Paths that every row of the form has."""
    mapping: Mapping[Field, Path]
    """Our fields to paths of the row. What is not named is found by its usual names."""
    before: tuple[str, ...] = ()
    """Instructions that the form puts in front of a question, in their exact wording."""
    after: tuple[str, ...] = ()
    no_answer: frozenset[str] = field(default_factory=frozenset)
    """Answers that say that there is none."""

    def bare(self, question: str) -> str:
        """The question without the instructions of this form."""
        bare = question.strip()
        for words in self.before:
            bare = bare.removeprefix(words)
        for words in self.after:
            bare = bare.removesuffix(words)
        return bare.strip()


PUBLIC_FORMS = (
    PublicForm(
        "verl and DAPO",
        signature=("prompt", "reward_model.ground_truth"),
        mapping={"question": "prompt", "answer": "reward_model.ground_truth"},
        before=(_DAPO_BEFORE,),
        after=(
            _DAPO_AFTER,
            _STEP_BY_STEP + 'after "####".',
            _STEP_BY_STEP + r"within \boxed{}.",
        ),
    ),
    PublicForm(
        "open-instruct (RLVR)",
        signature=("messages", "ground_truth"),
        mapping={"question": "messages", "answer": "ground_truth"},
    ),
    PublicForm(
        "OpenRLHF",
        signature=("prompt", "label"),
        mapping={"question": "prompt", "answer": "label"},
        before=(_DAPO_BEFORE,),
        after=(_DAPO_AFTER,),
    ),
    PublicForm(
        "OpenRLHF with its default input key",
        signature=("input", "label"),
        mapping={"question": "input", "answer": "label"},
    ),
    PublicForm(
        "PRM800K",
        signature=("question.problem", "question.ground_truth_answer"),
        mapping={
            "question": "question.problem",
            "answer": "question.ground_truth_answer",
            "solution": "question.ground_truth_solution",
        },
    ),
    PublicForm(
        "NuminaMath 1.5",
        signature=("problem", "answer", "problem_is_valid"),
        mapping={"question": "problem", "answer": "answer", "solution": "solution"},
        no_answer=frozenset({"proof", "notfound"}),
    ),
)
"""GSM8K (`#### ` in the answer), MATH and NuminaMath-CoT (the solution's last box is the answer)
need no entry: `services.problems.records` reads them by their usual names."""


class NothingThereError(LookupError):
    """A path leads nowhere in this row."""


def at_path(row: Mapping[str, object], path: Path) -> object:
    """What stands at `a.0.b`: names of objects and, in lists, places from 0 on.

    A field whose own name is the whole path comes first, so that names with dots can be given.

    Raises:
        NothingThereError: the path leads nowhere.
    """
    if path in row:
        return row[path]
    value: object = row
    for part in path.split("."):
        if isinstance(value, Mapping) and part in value:
            value = value[part]
        elif isinstance(value, list) and part.isdecimal() and int(part) < len(value):
            value = value[int(part)]
        else:
            raise NothingThereError(path)
    return value


def form_of(row: Mapping[str, object]) -> PublicForm | None:
    """The public form that a row has; None where it has none of them."""
    return next((form for form in PUBLIC_FORMS if _has_all(row, form.signature)), None)


def last_user_message(value: object) -> object:
    """The content of the last user message of a chat; what is no chat is given back as it is."""
    if not isinstance(value, list) or not all(isinstance(one, Mapping) for one in value):
        return value
    said = [one.get("content") for one in value if one.get("role") == "user"]
    return said[-1] if said else value


def _has_all(row: Mapping[str, object], paths: Sequence[Path]) -> bool:
    try:
        return all(at_path(row, path) is not None for path in paths)
    except NothingThereError:
        return False
