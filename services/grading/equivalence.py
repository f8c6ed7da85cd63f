r"""Mathematical equality by math-verify: sets, intervals, tuples, matrices, expressions.

Runs only in the grader's own process (`services.grading.server`): sympy may take forever or all
memory on hostile text, and nothing in here guards against that. Only math-verify's LaTeX parser is
used, never its expression parser, which evaluates Python.
"""

from __future__ import annotations

import logging
import re
from functools import lru_cache
from typing import TYPE_CHECKING

from math_verify import LatexExtractionConfig, parse, verify

from db.vocabulary import Verdict
from services.grading.answers import MOST_CHARACTERS, accepted, compare, normalise, plain_number

if TYPE_CHECKING:
    from sympy import Basic

# It warns once a process that its own time limits are off; the parent process keeps the time.
logging.getLogger("math_verify").setLevel(logging.ERROR)

_PLACES = 8
"""Decimals to which a float must agree with an irrational truth such as sqrt(3) / 3."""

_DELIMITED = re.compile(r"\$|\\boxed|\\\(|\\\[|\\begin\{(?:equation|align)")
_MEMBERSHIP = re.compile(r"^[A-Za-z]\s*\\in\b\s*")
_MOST_POWERS = 20
_LATEX_OF_PYTHON = (
    (re.compile(r"(?<!\\)\bsqrt\(([^()]*)\)"), r"\\sqrt{\1}"),
    (re.compile(r"(?<!\\)\b(sqrt|sin|cos|tan|log|exp)\("), r"\\\1("),
    (re.compile(r"(?<!\\)\bpi\b"), r"\\pi "),
    (re.compile(r"(?<!\\)\boo\b"), r"\\infty "),
    # Standing alone, i is the imaginary unit to math-verify; in 5i it is a variable.
    (re.compile(r"(?<=\d)i\b|\bI\b"), " i"),
    (re.compile(r"\s*\*\s*"), r" \\cdot "),
    (re.compile(r"^\{([^{}\\_^]*)\}$"), r"\\{\1\\}"),
)


def grade(answer: str, truth: str) -> Verdict:
    """Compare an answer with a truth, which may be a JSON list of accepted answers.

    Any accepted answer that is equal decides; else the verdict is `undecided` if any comparison
    was.
    """
    verdicts = {_grade_one(answer, one) for one in accepted(truth)}
    for verdict in (Verdict.EQUAL, Verdict.UNDECIDED):
        if verdict in verdicts:
            return verdict
    return Verdict.DIFFERENT


def is_gradable(truth: str) -> bool:
    """Whether every accepted answer can be read and is equal to itself."""
    return all(_is_gradable_one(one) for one in accepted(truth))


def _grade_one(answer: str, truth: str) -> Verdict:
    verdict = compare(answer, truth)
    if verdict is not None:
        return verdict
    given, wanted = _parse(answer), _parse(truth)
    if given is None or wanted is None:
        return Verdict.UNDECIDED
    same = verify(
        wanted,
        given,
        float_rounding=_PLACES,
        strict=True,
        allow_set_relation_comp=True,
        timeout_seconds=None,
        raise_on_error=True,
    )
    return Verdict.EQUAL if same else Verdict.DIFFERENT


def _is_gradable_one(truth: str) -> bool:
    if not normalise(truth) or len(truth) > MOST_CHARACTERS:
        return False
    return plain_number(truth) is not None or _parse(truth) is not None


@lru_cache(maxsize=256)
def _parse(answer: str) -> Basic | None:
    """The one expression that an answer consists of, or None where it is not one."""
    text = normalise(answer)
    if _DELIMITED.search(text):
        return None
    text = _powers(_matrix(_MEMBERSHIP.sub("", text)))
    for pattern, replacement in _LATEX_OF_PYTHON:
        text = pattern.sub(replacement, text)
    found = parse(
        f"${text}$",
        extraction_config=[LatexExtractionConfig()],
        fallback_mode="no_fallback",
        extraction_mode="first_match",
        parsing_timeout=None,
    )
    return found[0] if found else None


def _matrix(text: str) -> str:
    """The text, with sympy's `Matrix([[1, 2], [3, 4]])` as LaTeX."""
    printed = re.fullmatch(r"Matrix\(\[(\[[^()]*\])\]\)", text)
    if printed is None:
        return text
    rows = re.findall(r"\[([^\[\]]*)\]", printed.group(1))
    cells = r" \\ ".join(row.replace(",", " & ") for row in rows)
    return rf"\begin{{pmatrix}} {cells} \end{{pmatrix}}"


def _powers(text: str) -> str:
    """The text with Python's `**`, which binds from the right, as LaTeX's `^{}`."""
    for _ in range(_MOST_POWERS):
        position = text.rfind("**")
        if position < 0:
            break
        start = position + 2
        while text[start : start + 1] == " ":
            start += 1
        end = _operand_end(text, start)
        operand = text[start:end]
        if operand.startswith("(") and operand.endswith(")"):
            operand = operand[1:-1]
        text = f"{text[:position].rstrip()}^{{{operand}}}{text[end:]}"
    return text


def _operand_end(text: str, start: int) -> int:
    """Where an exponent ends: after a sign, a name, number or bracket, and its own power."""
    end = start + 1 if text[start : start + 1] == "-" else start
    depth = 0
    while end < len(text):
        character = text[end]
        depth += (character in "({") - (character in ")}")
        if depth < 0 or (depth == 0 and not (character.isalnum() or character in "._^)}")):
            break
        end += 1
    return end
