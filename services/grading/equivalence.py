r"""Mathematical equality by math-verify: sets, intervals, tuples, matrices, expressions.

Runs only in the grader's own process (`services.grading.server`): sympy may take forever or all
memory on hostile text, and nothing in here guards against that. Only math-verify's LaTeX parser is
used, never its expression parser, which evaluates Python.
"""

from __future__ import annotations

import logging
import re
from functools import lru_cache
from itertools import pairwise
from typing import TYPE_CHECKING

from math_verify import LatexExtractionConfig, parse
from sympy import Expr, Float, Rational

from db.vocabulary import Verdict
from services.grading.answers import MOST_CHARACTERS, accepted, compare, is_plain
from services.grading.exact import same, same_equation, same_expression
from services.grading.notation import normalise
from services.grading.numbers import ROUNDED_DIGITS, plain_number
from services.grading.printed import Listed, is_evident, read_printed

if TYPE_CHECKING:
    from sympy import Basic

# It warns once a process that its own time limits are off; the parent process keeps the time.
logging.getLogger("math_verify").setLevel(logging.ERROR)

_DELIMITED = re.compile(r"\$|\\boxed|\\\(|\\\[|\\begin\{(?:equation|align)")
_MEMBERSHIP = re.compile(r"^[A-Za-z]\s*\\in\b\s*")
_SET_BUILDER = re.compile(r"\\\{\s*([A-Za-z])\s*(?:\\mid|\\vert|\||:)\s*(.*?)\s*\\\}")
_RELATION = re.compile(r"[<>\u2260]|\\(?:le|ge|lt|gt|leq|geq|ne|neq|in|approx|cup|cap)\b")
_LETTER = re.compile(r"(?<![A-Za-z\\])[A-Za-z](?![A-Za-z])")
_PROSE = re.compile(
    r"(?<![A-Za-z\\])(?!(?:a?(?:sin|cos|tan)h?|cot|sec|csc|log|exp|sqrt|pmatrix|bmatrix|vmatrix|matrix|array|cases)\b)[A-Za-z]{3,}"
)
_NAME = re.compile(r"\\?[A-Za-z]+(?:_\{?\w+\}?)?(?:\([A-Za-z]\))?")
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
    left, right = _equation(normalise(answer)), _equation(normalise(truth))
    if _differ_in_case(left, right):
        return Verdict.DIFFERENT
    chains = split_chain(left), split_chain(right)
    if len(chains[0]) > 1 and len(chains[1]) > 1:
        return _compare_equations(chains[0], chains[1])
    for chain, other, is_answer in ((chains[0], right, True), (chains[1], left, False)):
        if len(chain) > 1:
            said = _said_by(chain)
            if said is None:
                return Verdict.DIFFERENT
            return _grade_one(said, other) if is_answer else _grade_one(other, said)
    given, wanted = _read(left), _read(right)
    if given is None or wanted is None:
        return Verdict.UNDECIDED
    return _verdict(same(given, wanted))


def _verdict(is_same: bool | None) -> Verdict:
    if is_same is None:
        return Verdict.UNDECIDED
    return Verdict.EQUAL if is_same else Verdict.DIFFERENT


def _is_gradable_one(truth: str) -> bool:
    text = normalise(truth)
    if not text or len(truth) > MOST_CHARACTERS:
        return False
    return is_plain(truth) or _read(text) is not None or len(split_chain(text)) > 1


def _equation(text: str) -> str:
    """The text, with sympy's `Eq(x, 2)` as an equation."""
    printed = re.fullmatch(r"Eq\(([^,]*), ([^,]*)\)", text)
    return f"{printed.group(1)} = {printed.group(2)}" if printed else text


def _differ_in_case(left: str, right: str) -> bool:
    """Whether the unknowns of two formulas are other letters, though the same in small ones.

    The parser of LaTeX does not tell `x` from `X`.
    """
    # Python's I is i.
    letters = [set(_LETTER.findall(text.replace("I", "i"))) for text in (left, right)]
    small = [{letter.lower() for letter in found} for found in letters]
    return letters[0] != letters[1] and small[0] == small[1]


def split_chain(text: str) -> list[str]:
    """The parts between the equals signs of a chain; one part where it is a list or a relation."""
    depth = 0
    cuts = []
    for place, character in enumerate(text):
        depth += (character in "({[") - (character in ")}]")
        if depth == 0 and character in ",;":
            return [text]
        if depth == 0 and character == "=":
            if (
                text[place - 1 : place] in ("<", ">", "!", "=")
                or text[place + 1 : place + 2] == "="
            ):
                return [text]
            cuts.append(place)
    parts = [text[a + 1 : b].strip() for a, b in pairwise([-1, *cuts, len(text)])]
    return parts if all(parts) and not _RELATION.search(text) else [text]


def _said_by(chain: list[str]) -> str | None:
    """What a chain of equations answers; None where its numbers contradict each other.

    The last part, or the first where only a name stands behind it (`5 = x`). An equation in
    unknowns, such as `x^2 = 4`, answers nothing but itself.
    """
    values = [(part, _read(part)) for part in chain]
    numbers = [v for _, v in values if isinstance(v, Expr) and not v.free_symbols]
    if any(same_expression(numbers[0], number) is False for number in numbers[1:]):
        return None
    if _NAME.fullmatch(chain[-1]) and not _NAME.fullmatch(chain[0]):
        return chain[0]
    last = values[-1][1]
    if isinstance(last, Expr) and not last.free_symbols:
        return chain[-1]
    return chain[-1] if _NAME.fullmatch(chain[0]) else None


def _compare_equations(given: list[str], wanted: list[str]) -> Verdict:
    if given[0] == wanted[0]:
        return _grade_one(given[-1], wanted[-1])
    sides = [_read(part) for part in (given[0], given[-1], wanted[0], wanted[-1])]
    expressions = [side for side in sides if isinstance(side, Expr)]
    if len(expressions) == len(sides) and len(given) == len(wanted) == 2:
        one, other, third, fourth = expressions
        return _verdict(same_equation((one, other), (third, fourth)))
    names = _NAME.fullmatch(given[0]), _NAME.fullmatch(wanted[0])
    if all(names):
        same_value = _grade_one(given[-1], wanted[-1])
        return Verdict.UNDECIDED if same_value is Verdict.EQUAL else same_value
    return Verdict.UNDECIDED


@lru_cache(maxsize=256)
def _read(text: str) -> Basic | Listed | None:
    """The one value that normalised text consists of, or None where it is not one."""
    if is_evident(text):
        printed = read_printed(text)
        if printed is not None:
            return printed
    number = plain_number(text)
    if number is not None:
        is_rounded = number.places and number.digits >= ROUNDED_DIGITS
        value = Rational(number.value.numerator, number.value.denominator)
        return Float(value, number.digits) if is_rounded else value
    return _parse(text)


def _parse(text: str) -> Basic | None:
    if _DELIMITED.search(text) or _PROSE.search(text):
        return None
    builder = _SET_BUILDER.fullmatch(text)
    text = builder.group(2) if builder else text
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
