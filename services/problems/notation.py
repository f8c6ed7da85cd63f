"""How people write arithmetic in prose: its tokens, and expressions parsed out of them.

A number may carry a currency sign, thousands separators, a percent sign and a few words of unit; x
is "times". The parser takes the longest expression that starts at a token and says where it ends.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING

from services.problems.expressions import Number, Operation

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from services.problems.expressions import Expression

NUMBER = r"(?:\d{1,3}(?:,\d{3})+(?!\d)(?:\.\d+)?|\d+(?:\.\d+)?|\.\d+)"
"""Pattern of a number in digits."""

_TOKEN = re.compile(
    rf"(?P<number>[$\u20ac\u00a3\u00a5]?\s?{NUMBER}(?:\s?%)?|\bhalf\b)"
    r"|(?P<times>[xX\u00d7\u00b7](?=\s*[\d(.$\u20ac\u00a3\u00a5])|\*)"
    r"|(?P<unit>/\s?[A-Za-z]+|-?[A-Za-z][A-Za-z'\u2019]*(?:[/-][A-Za-z']+)*|\(s\))"
    r"|(?P<operator>[-+/\u00f7()=])"
    r"|(?P<other>[^\s$\u20ac\u00a3\u00a5])"
)
_MOST_UNIT_WORDS = 7


@dataclass(frozen=True, slots=True)
class Token:
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


def tokens_of(text: str) -> list[Token]:
    """The tokens of a text; what is none of them is of the kind `other`."""
    return [
        Token(
            "operator" if kind == "times" else kind,
            "*" if kind == "times" else m.group().strip(),
            m.start() + len(m.group()) - len(m.group().lstrip()),
            m.end(),
        )
        for m in _TOKEN.finditer(text)
        if (kind := m.lastgroup)
    ]


def skip_units(tokens: Sequence[Token], position: int) -> int:
    """The index after the unit words at `position`, if they are few."""
    end = position
    while end < len(tokens) and tokens[end].kind == "unit" and end - position < _MOST_UNIT_WORDS:
        end += 1
    return end


def number_of(text: str) -> Number:
    """The number that a token of the kind `number` writes."""
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
class Parser:
    """Recursive descent over tokens; each method gives the expression and the index after it."""

    tokens: Sequence[Token]
    start: int

    def sum(self) -> tuple[Expression, int] | None:
        """The longest expression that starts here, None where none does."""
        return self._chain("+-", lambda parser: parser._quotient())

    def _quotient(self) -> tuple[Expression, int] | None:
        # Authors who write 15 \u00f7 1/2 mean 15 divided by a half.
        return self._chain("\u00f7", lambda parser: parser._product())

    def _product(self) -> tuple[Expression, int] | None:
        return self._chain("*/", lambda parser: parser._operand())

    def _chain(
        self, operators: str, part: Callable[[Parser], tuple[Expression, int] | None]
    ) -> tuple[Expression, int] | None:
        parsed = part(self)
        while parsed is not None:
            left, end = parsed
            position = skip_units(self.tokens, end)
            if position >= len(self.tokens) or self.tokens[position].text not in operators:
                break
            right = part(Parser(self.tokens, position + 1))
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
            number, after = number_of(token.text), self.start + 1
            bracketed = Parser(self.tokens, after)._bracketed()
            if bracketed is not None:
                return Operation("*", number, bracketed[0]), bracketed[1]
            return number, after
        return self._bracketed()

    def _bracketed(self) -> tuple[Expression, int] | None:
        if self.start >= len(self.tokens) or self.tokens[self.start].text != "(":
            return None
        inner = Parser(self.tokens, self.start + 1).sum()
        if inner is None:
            return None
        end = skip_units(self.tokens, inner[1])
        closed = end < len(self.tokens) and self.tokens[end].text == ")"
        return (inner[0], end + 1) if closed else None
