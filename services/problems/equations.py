"""Worked equations in a sentence of prose, found and checked.

An equation is read only if its left side, computed exactly, gives the number shown on its right
side, so what leaves this module is never a guess.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from services.problems.expressions import (
    HUNDRED,
    Number,
    Operation,
    agrees,
    evaluate,
    percent_as_share,
)
from services.problems.notation import Parser, number_of, skip_units, tokens_of

if TYPE_CHECKING:
    from collections.abc import Sequence
    from fractions import Fraction

    from services.problems.expressions import Expression
    from services.problems.notation import Token

_NOTE = re.compile(r"<<([^<>=]*)=[^<>]*>>")
_MOST_CHARACTERS = 1_000
_MOST_BRACKETS = 20
"""A longer or deeper sentence is no sentence; with these the parser's recursion is bounded."""
_TYPOGRAPHY = str.maketrans(
    {"\u2013": "-", "\u2014": "-", "\u2212": "-", "\u2044": "/", "\u00a0": " "}
)


@dataclass(frozen=True, slots=True)
class Equation:
    """An equation whose sides agree, and where it stands in its sentence."""

    start: int
    end: int
    expression: Expression
    shown: Number
    """The last number of the chain: what the author calls the result."""


@dataclass(frozen=True, slots=True)
class Reading:
    """A sentence without calculator notes, its equations, and results nobody could derive."""

    text: str
    equations: tuple[Equation, ...]
    underived: frozenset[Fraction]


def read_equations(sentence: str) -> Reading:
    """Read the equations of one sentence.

    `sentence` may hold GSM8K's calculator notes, `<<48/2=24>>`; where the prose before a note is
    no equation, the note's own expression is taken.
    """
    text, notes = _without_notes(sentence.translate(_TYPOGRAPHY))
    readable = len(text) <= _MOST_CHARACTERS and text.count("(") <= _MOST_BRACKETS
    tokens = tokens_of(text) if readable else []
    found: list[Equation] = []
    underived: set[Fraction] = set()
    position = 0
    while position < len(tokens):
        if tokens[position].text == "=":
            read = _read_chain(tokens, position, found[-1].end if found else 0, notes)
            if isinstance(read, Equation):
                found.append(read)
            elif read is not None:
                underived.add(read.value)
        elif noted := _note_at(tokens[position], notes):
            note = _read_note(noted, tokens[position])
            if note is not None and not (found and found[-1].end >= note.end):
                found.append(note)
        position += 1
    return Reading(text, tuple(found), frozenset(underived - {e.shown.value for e in found}))


def _without_notes(sentence: str) -> tuple[str, dict[int, str]]:
    """The sentence without its notes, and each note's expression by where it stood."""
    text, notes, end = "", {}, 0
    for match in _NOTE.finditer(sentence):
        text += sentence[end : match.start()]
        notes[len(text)] = match.group(1)
        end = match.end()
    return text + sentence[end:], notes


def _read_chain(
    tokens: Sequence[Token], equals: int, earliest: int, notes: dict[int, str]
) -> Equation | Number | None:
    """The equation around the `=` at index `equals`, or the number it shows if underived."""
    middle: list[Expression] = []
    position = equals
    while True:
        right = Parser(tokens, position + 1).sum()
        if right is None:
            return None
        middle.append(right[0])
        after = skip_units(tokens, right[1])
        if after >= len(tokens) or tokens[after].text != "=":
            break
        position = after
    shown = _as_number(middle[-1], tokens[right[1] - 1])
    if shown is None:
        return None
    end = tokens[right[1] - 1].end
    lefts = _lefts(tokens, equals, earliest)
    note = _note_at(tokens[equals + 1], notes)
    candidates = [(start, left) for start, left in lefts]
    if note is not None and (noted := _parse_all(note)) is not None:
        candidates.append((lefts[0][0] if lefts else tokens[equals].start, noted))
    candidates += [(tokens[equals].start, left) for left in middle[:-1]]
    for start, left in candidates:
        agreeing = _agreeing(left, shown)
        if agreeing is not None:
            return Equation(start, end, agreeing, shown)
    return shown


def _lefts(tokens: Sequence[Token], equals: int, earliest: int) -> list[tuple[int, Expression]]:
    """Expressions that end right before `=`, the longest first, with where they start."""
    found = []
    for start in range(equals):
        if tokens[start].start < earliest:
            continue
        parsed = Parser(tokens, start).sum()
        if parsed is not None and skip_units(tokens, parsed[1]) == equals:
            found.append((tokens[start].start, parsed[0]))
    return found


def _note_at(token: Token, notes: dict[int, str]) -> str | None:
    """The expression of the note that stood before a number, on either side of its `$`."""
    if token.kind != "number":
        return None
    return notes.get(token.start) or notes.get(token.start + 1)


def _read_note(note: str, token: Token) -> Equation | None:
    """An equation from a note that has none in the prose before it."""
    expression, shown = _parse_all(note), number_of(token.text)
    agreeing = None if expression is None else _agreeing(expression, shown)
    return None if agreeing is None else Equation(token.start, token.end, agreeing, shown)


def _parse_all(text: str) -> Expression | None:
    tokens = tokens_of(text)
    parsed = Parser(tokens, 0).sum()
    return parsed[0] if parsed is not None and parsed[1] == len(tokens) else None


def _agreeing(expression: Expression, shown: Number) -> Expression | None:
    """The reading of percent signs under which an expression gives the number shown, if any."""
    if isinstance(expression, Number):
        return None
    of_percent = percent_as_share(expression)
    readings = [expression, of_percent]
    if shown.percent:
        readings += [Operation("*", expression, HUNDRED), Operation("*", of_percent, HUNDRED)]
    for reading in readings:
        value = evaluate(reading)
        if value is not None and agrees(value, shown):
            return reading
    return None


def _as_number(expression: Expression, last: Token) -> Number | None:
    """A right side that is a number or a fraction of two numbers."""
    if isinstance(expression, Number):
        return expression
    value = evaluate(expression)
    plain = isinstance(expression.left, Number) and isinstance(expression.right, Number)
    if value is None or expression.operator != "/" or not plain or last.kind != "number":
        return None
    return Number(value, 0)
