"""Worked equations in a sentence of prose: found, checked, and written as Python.

An equation is read only if its left side, computed exactly, gives the number shown on its right
side, so what leaves this module is never a guess. Currency signs, thousands separators, percent
signs, units behind a number and the letter x for "times" are understood.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

NUMBER = r"(?:\d{1,3}(?:,\d{3})+(?!\d)(?:\.\d+)?|\d+(?:\.\d+)?|\.\d+)"

_TOKEN = re.compile(
    rf"(?P<number>[$\u20ac\u00a3\u00a5]?\s?{NUMBER}(?:\s?%)?|\bhalf\b)"
    r"|(?P<times>[xX\u00d7\u00b7](?=\s*[\d(.$\u20ac\u00a3\u00a5])|\*)"
    r"|(?P<unit>/\s?[A-Za-z]+|-?[A-Za-z][A-Za-z'\u2019]*(?:[/-][A-Za-z']+)*|\(s\))"
    r"|(?P<operator>[-+/\u00f7()=])"
    r"|(?P<other>[^\s$\u20ac\u00a3\u00a5])"
)
_NOTE = re.compile(r"<<([^<>=]*)=[^<>]*>>")
_MOST_UNIT_WORDS = 7
_MOST_CHARACTERS = 1_000
_MOST_BRACKETS = 20
"""A longer or deeper sentence is no sentence; with these the parser's recursion is bounded."""
_TYPOGRAPHY = str.maketrans(
    {"\u2013": "-", "\u2014": "-", "\u2212": "-", "\u2044": "/", "\u00a0": " "}
)
_CARDINALS = "one two three four five six seven eight nine ten eleven twelve"
_SPELLED: dict[str, tuple[Fraction, ...]] = {
    **{word: (Fraction(k),) for k, word in enumerate(_CARDINALS.split(), start=1)},
    **dict.fromkeys(("half", "twice", "double", "doubled"), (Fraction(2), Fraction(1, 2))),
    **dict.fromkeys(("third", "thirds", "triple", "thrice"), (Fraction(3), Fraction(1, 3))),
    **dict.fromkeys(("quarter", "quarters"), (Fraction(4), Fraction(1, 4))),
    "dozen": (Fraction(12),),
    "twenty": (Fraction(20),),
    "thirty": (Fraction(30),),
}
_LARGEST = 10**15
"""Reference solutions count apples; a larger number is a slip, and would cost time to compute."""


@dataclass(frozen=True, slots=True)
class Number:
    """A literal. `percent` is whether a percent sign followed it."""

    value: Fraction
    decimals: int
    percent: bool = False

    @property
    def is_pointed(self) -> bool:
        """Whether it is a whole number written with a decimal point: `12.0`."""
        return self.decimals > 0 and self.value.denominator == 1


@dataclass(frozen=True, slots=True)
class Operation:
    """`left operator right` with one of + - * /."""

    operator: str
    left: Expression
    right: Expression


Expression = Number | Operation


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


@dataclass(frozen=True, slots=True)
class _Token:
    kind: str
    text: str
    start: int
    end: int


def numbers_in(text: str) -> list[tuple[int, int, Fraction]]:
    """Every number of a text in digits: where it starts, where it ends, its value."""
    return [
        (match.start(), match.end(), Fraction(match.group().replace(",", "")))
        for match in re.finditer(rf"(?<![\w.]){NUMBER}", text)
    ]


def numbers_given(question: str) -> frozenset[Fraction]:
    """The numbers that a question gives, in digits or in words."""
    words = set(re.findall(r"[a-z]+", question.lower()))
    spelled = {value for word, values in _SPELLED.items() if word in words for value in values}
    return frozenset({value for _, _, value in numbers_in(question)} | spelled)


def operands(expression: Expression, *, added: bool = False) -> list[tuple[Number, bool]]:
    """The numbers of an expression in order, each with whether it is added or subtracted."""
    if isinstance(expression, Number):
        return [(expression, added)]
    sums = expression.operator in "+-"
    return operands(expression.left, added=sums) + operands(expression.right, added=sums)


def with_percentage(sentence: str, question: str) -> str:
    """The sentence with `48=48` spelled out where 48 is p% of one number of the question alone."""
    found = re.search(rf"(?<![\d.*/+=-])({NUMBER})\s?=\s?\1(?![\d.])", sentence)
    if found is None:
        return sentence
    value = Fraction(found.group(1).replace(",", ""))
    shares = {Fraction(p.replace(",", "")) for p in re.findall(rf"({NUMBER})\s?%", question)}
    wholes = {whole for _, _, whole in numbers_in(question)}
    ways = [(p, n) for p in shares for n in wholes if n * p == 100 * value and n.denominator == 1]
    if len(ways) != 1 or ways[0][0].denominator != 1:
        return sentence
    worked = f"{ways[0][1]} * {ways[0][0]} / 100 = {found.group(1)}"
    return sentence[: found.start()] + worked + sentence[found.end() :]


def read_equations(sentence: str) -> Reading:
    """Read the equations of one sentence.

    `sentence` may hold GSM8K's calculator notes, `<<48/2=24>>`; where the prose before a note is
    no equation, the note's own expression is taken.
    """
    text, notes = _without_notes(sentence.translate(_TYPOGRAPHY))
    readable = len(text) <= _MOST_CHARACTERS and text.count("(") <= _MOST_BRACKETS
    tokens = _tokens(text) if readable else []
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


def evaluate(expression: Expression) -> Fraction | None:
    """The exact value, or None where it divides by zero or grows out of bounds."""
    if isinstance(expression, Number):
        return expression.value
    left, right = evaluate(expression.left), evaluate(expression.right)
    if left is None or right is None or abs(left) > _LARGEST or abs(right) > _LARGEST:
        return None
    match expression.operator:
        case "+":
            return left + right
        case "-":
            return left - right
        case "*":
            return left * right
    return left / right if right else None


def _without_notes(sentence: str) -> tuple[str, dict[int, str]]:
    """The sentence without its notes, and each note's expression by where it stood."""
    text, notes, end = "", {}, 0
    for match in _NOTE.finditer(sentence):
        text += sentence[end : match.start()]
        notes[len(text)] = match.group(1)
        end = match.end()
    return text + sentence[end:], notes


def _tokens(text: str) -> list[_Token]:
    return [
        _Token(
            "operator" if kind == "times" else kind,
            "*" if kind == "times" else m.group().strip(),
            m.start() + len(m.group()) - len(m.group().lstrip()),
            m.end(),
        )
        for m in _TOKEN.finditer(text)
        if (kind := m.lastgroup)
    ]


def _read_chain(
    tokens: Sequence[_Token], equals: int, earliest: int, notes: dict[int, str]
) -> Equation | Number | None:
    """The equation around the `=` at index `equals`, or the number it shows if underived."""
    middle: list[Expression] = []
    position = equals
    while True:
        right = _Parser(tokens, position + 1).sum()
        if right is None:
            return None
        middle.append(right[0])
        after = _skip_units(tokens, right[1])
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


def _lefts(tokens: Sequence[_Token], equals: int, earliest: int) -> list[tuple[int, Expression]]:
    """Expressions that end right before `=`, the longest first, with where they start."""
    found = []
    for start in range(equals):
        if tokens[start].start < earliest:
            continue
        parsed = _Parser(tokens, start).sum()
        if parsed is not None and _skip_units(tokens, parsed[1]) == equals:
            found.append((tokens[start].start, parsed[0]))
    return found


def _note_at(token: _Token, notes: dict[int, str]) -> str | None:
    """The expression of the note that stood before a number, on either side of its `$`."""
    if token.kind != "number":
        return None
    return notes.get(token.start) or notes.get(token.start + 1)


def _read_note(note: str, token: _Token) -> Equation | None:
    """An equation from a note that has none in the prose before it."""
    expression, shown = _parse_all(note), _number(token.text)
    agreeing = None if expression is None else _agreeing(expression, shown)
    return None if agreeing is None else Equation(token.start, token.end, agreeing, shown)


def _parse_all(text: str) -> Expression | None:
    tokens = _tokens(text)
    parsed = _Parser(tokens, 0).sum()
    return parsed[0] if parsed is not None and parsed[1] == len(tokens) else None


def _agreeing(expression: Expression, shown: Number) -> Expression | None:
    """The reading of percent signs under which an expression gives the number shown, if any."""
    if isinstance(expression, Number):
        return None
    hundred = Number(Fraction(100), 0)
    of_percent = _with_percent(expression)
    readings = [expression, of_percent]
    if shown.percent:
        readings += [Operation("*", expression, hundred), Operation("*", of_percent, hundred)]
    for reading in readings:
        value = evaluate(reading)
        if value is not None and agrees(value, shown):
            return reading
    return None


def agrees(value: Fraction, shown: Number) -> bool:
    """Whether `shown` is the value, or the value rounded to the decimals shown (at least one)."""
    slack = Fraction(1, 2 * 10**shown.decimals) if shown.decimals else 0
    return abs(value - shown.value) <= slack


def _with_percent(expression: Expression) -> Expression:
    """The expression with `p%` read as p / 100."""
    if isinstance(expression, Number):
        if not expression.percent:
            return expression
        plain = Number(expression.value, expression.decimals)
        return Operation("/", plain, Number(Fraction(100), 0))
    return Operation(
        expression.operator, _with_percent(expression.left), _with_percent(expression.right)
    )


def _as_number(expression: Expression, last: _Token) -> Number | None:
    """A right side that is a number or a fraction of two numbers."""
    if isinstance(expression, Number):
        return expression
    value = evaluate(expression)
    plain = isinstance(expression.left, Number) and isinstance(expression.right, Number)
    if value is None or expression.operator != "/" or not plain or last.kind != "number":
        return None
    return Number(value, 0)


def _skip_units(tokens: Sequence[_Token], position: int) -> int:
    """The index after the unit words at `position`, if they are few."""
    end = position
    while end < len(tokens) and tokens[end].kind == "unit" and end - position < _MOST_UNIT_WORDS:
        end += 1
    return end


def _number(text: str) -> Number:
    if text == "half":
        return Number(Fraction(1, 2), 1)
    digits = re.sub(r"[^\d.]", "", text)
    decimals = len(digits.partition(".")[2])
    value = Fraction(digits)
    if decimals >= 6:  # 0.3333333333333333 is a third that somebody's calculator wrote.
        simple = value.limit_denominator(12)
        value = simple if abs(simple - value) < Fraction(1, 10**decimals) else value
    return Number(value, decimals, text.endswith("%"))


@dataclass(frozen=True, slots=True)
class _Parser:
    """Recursive descent over tokens; each method gives the expression and the index after it."""

    tokens: Sequence[_Token]
    start: int

    def sum(self) -> tuple[Expression, int] | None:
        return self._chain("+-", lambda parser: parser._quotient())

    def _quotient(self) -> tuple[Expression, int] | None:
        # Authors who write 15 \u00f7 1/2 mean 15 divided by a half.
        return self._chain("\u00f7", lambda parser: parser._product())

    def _product(self) -> tuple[Expression, int] | None:
        return self._chain("*/", lambda parser: parser._operand())

    def _chain(
        self, operators: str, part: Callable[[_Parser], tuple[Expression, int] | None]
    ) -> tuple[Expression, int] | None:
        parsed = part(self)
        while parsed is not None:
            left, end = parsed
            position = _skip_units(self.tokens, end)
            if position >= len(self.tokens) or self.tokens[position].text not in operators:
                break
            right = part(_Parser(self.tokens, position + 1))
            if right is None:
                break
            operator = self.tokens[position].text.replace("\u00f7", "/")
            parsed = Operation(operator, left, right[0]), right[1]
        return parsed

    def _operand(self) -> tuple[Expression, int] | None:
        if self.start >= len(self.tokens):
            return None
        token = self.tokens[self.start]
        if token.kind == "number":
            number, after = _number(token.text), self.start + 1
            bracketed = _Parser(self.tokens, after)._bracketed()
            if bracketed is not None:
                return Operation("*", number, bracketed[0]), bracketed[1]
            return number, after
        return self._bracketed()

    def _bracketed(self) -> tuple[Expression, int] | None:
        if self.start >= len(self.tokens) or self.tokens[self.start].text != "(":
            return None
        inner = _Parser(self.tokens, self.start + 1).sum()
        if inner is None:
            return None
        end = _skip_units(self.tokens, inner[1])
        closed = end < len(self.tokens) and self.tokens[end].text == ")"
        return (inner[0], end + 1) if closed else None
