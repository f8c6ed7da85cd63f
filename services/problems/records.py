"""One problem as its source gives it, checked field by field.

A record that leaves this module has a question of text, of at most `MOST_QUESTION_CHARACTERS`, and
an answer that is text or missing. Every error is one sentence that names the source, the place in
it, and what to change.
"""

from __future__ import annotations

import hashlib
import json
import math
import unicodedata
from dataclasses import dataclass
from typing import TYPE_CHECKING

from services.errors import ProblemImportError
from services.problems.forms import NothingThereError, at_path, form_of, last_user_message
from services.steps import boxed, clean

if TYPE_CHECKING:
    from collections.abc import Mapping

MOST_QUESTION_CHARACTERS = 20_000
MOST_ANSWER_CHARACTERS = 2_000
FIELDS: Mapping[str, tuple[str, ...]] = {
    "question": ("question", "problem"),
    "answer": ("answer",),
    "id": ("id", "unique_id"),
    "solution": ("solution",),
}
"""Our fields, and what sources call them where the user does not say."""

GSM8K_MARK = "####"
"""What parts a solution from its answer in GSM8K's original form."""


@dataclass(frozen=True, slots=True)
class ProblemRecord:
    """A problem that has not been stored yet."""

    source: str
    external_id: str
    """The source's own id, or the start of the question's hash where it has none."""
    question: str
    answer: str | None
    """As the source writes it; several accepted answers are a JSON list of strings."""
    solution: str | None
    where: str
    """For messages: `gsm8k.jsonl line 7`."""


def content_hash(question: str) -> bytes:
    """32 bytes that two questions share if they differ only in case, width or white space."""
    normalised = " ".join(unicodedata.normalize("NFKC", clean(question)).split()).casefold()
    return hashlib.sha256(normalised.encode("utf-8")).digest()


def parse_mapping(text: str) -> dict[str, str]:
    """Read `question=prompt.0.content,answer=target`: our field, then the path to the source's.

    Raises:
        ProblemImportError: not of this form, or no field of ours.
    """
    mapping: dict[str, str] = {}
    for pair in filter(None, (part.strip() for part in text.split(","))):
        ours, equals, theirs = (part.strip() for part in pair.partition("="))
        if not equals or not theirs or ours not in FIELDS:
            raise ProblemImportError(
                f"The field mapping {pair!r} is not of the form FIELD=NAME with FIELD one of "
                f"{', '.join(FIELDS)}; write for example question=prompt,answer=target."
            )
        mapping[ours] = theirs
    return mapping


def read_record(
    row: object, *, source: str, where: str, mapping: Mapping[str, str]
) -> ProblemRecord:
    """Check one row of a source.

    `mapping` leads to our fields by paths (`services.problems.forms.at_path`); where it is empty,
    a row of a public form is read as that form. A chat in place of a question is read as its last
    user message.

    Raises:
        ProblemImportError: it is no object, a field is missing, of a wrong type, empty or too long.
    """
    if not isinstance(row, dict):
        raise ProblemImportError(
            f'{where} is {_kind(row)}, not an object; write {{"question": ..., "answer": ...}}.'
        )
    form = None if mapping or isinstance(row.get("question"), str) else form_of(row)
    if form is not None:
        mapping = {ours: path for ours, path in form.mapping.items() if _leads(row, path)}
    question = _question(row, where, mapping)
    answer = _answer(_field(row, "answer", where, mapping), where)
    solution = _text(_field(row, "solution", where, mapping), "solution", where)
    if form is not None:
        question = form.bare(question)
        answer = None if answer in form.no_answer else answer
    elif "answer" not in mapping and "answer" not in row and solution is not None:
        answer = boxed(solution) or None
    if answer is not None and GSM8K_MARK in answer:
        worked, _, answer = (part.strip() for part in answer.rpartition(GSM8K_MARK))
        solution = solution or worked or None
    if answer is not None and not answer.strip():
        raise ProblemImportError(
            f"{where} has an empty answer; give it, or leave the field out if it is not known."
        )
    if answer is not None and len(answer) > MOST_ANSWER_CHARACTERS:
        raise ProblemImportError(
            f"{where} has an answer of {len(answer):,} characters where at most "
            f"{MOST_ANSWER_CHARACTERS:,} are allowed; keep the final answer alone."
        )
    given = _field(row, "id", where, mapping)
    external_id = str(given) if isinstance(given, int) else _text(given, "id", where)
    return ProblemRecord(
        source=source,
        external_id=external_id or content_hash(question).hex()[:16],
        question=question,
        answer=answer and answer.strip(),
        solution=solution,
        where=where,
    )


def _question(row: Mapping[str, object], where: str, mapping: Mapping[str, str]) -> str:
    asked = last_user_message(_field(row, "question", where, mapping))
    question = _text(asked, "question", where)
    if question is None:
        names = ", ".join(str(name) for name in list(row)[:10]) or "none"
        raise ProblemImportError(
            f"{where} has no field 'question' (its fields: {names[:200]}); name the one that holds "
            "it with a mapping such as question=prompt."
        )
    if not question.strip():
        raise ProblemImportError(f"{where} has an empty question; fill it in or remove it.")
    if len(question) > MOST_QUESTION_CHARACTERS:
        raise ProblemImportError(
            f"{where} has a question of {len(question):,} characters where at most "
            f"{MOST_QUESTION_CHARACTERS:,} are allowed; shorten it or remove it."
        )
    return question.strip()


def _field(row: Mapping[str, object], field: str, where: str, mapping: Mapping[str, str]) -> object:
    """The value of one of our fields; None where the row has none and nobody asked for it."""
    if field in mapping:
        try:
            return at_path(row, mapping[field])
        except NothingThereError as error:
            raise ProblemImportError(
                f"{where} has no field {mapping[field]!r}, which the mapping names for "
                f"{field!r}; correct the mapping or add the field."
            ) from error
    return next((row[name] for name in FIELDS[field] if name in row), None)


def _leads(row: Mapping[str, object], path: str) -> bool:
    try:
        return at_path(row, path) is not None
    except NothingThereError:
        return False


def _answer(value: object, where: str) -> str | None:
    """Text of an answer: numbers as they are written, a list as a JSON list of strings.

    JSON's true and false are the answers `true` and `false`.
    """
    if isinstance(value, list) and value:
        listed = [_answer(one, where) for one in value if not isinstance(one, list)]
        answers = [one for one in listed if one]
        if len(answers) == len(value):
            return json.dumps(answers, ensure_ascii=False)
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, int):
        return str(value)
    if isinstance(value, float) and math.isfinite(value):
        return str(int(value)) if value.is_integer() and abs(value) < 2**53 else repr(value)
    if value is None or isinstance(value, str):
        return _text(value, "answer", where)
    raise ProblemImportError(
        f"{where} has {_kind(value)} as its answer; write text, a number, or a list of the "
        "answers that are accepted."
    )


def _text(value: object, field: str, where: str) -> str | None:
    if value is None or isinstance(value, str):
        return value if value is None else clean(value)
    raise ProblemImportError(f"{where} has {_kind(value)} as its {field}; write text.")


def _kind(value: object) -> str:
    names = {
        dict: "an object",
        list: "a list",
        bool: "true or false",
        int: "a number",
        float: "a number",
        str: "text",
        type(None): "null",
    }
    return names.get(type(value), f"of type {type(value).__name__}")
