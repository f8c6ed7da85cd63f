"""What a question gives: its numbers, in digits, in words, and as percentages."""

from __future__ import annotations

import re
from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING

from services.problems.notation import NUMBER, numbers_in

if TYPE_CHECKING:
    from services.problems.expressions import Use

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


@dataclass(frozen=True, slots=True)
class Given:
    """The numbers of a question. A number that it gives as a percentage alone is a share."""

    numbers: frozenset[Fraction]
    shares: frozenset[Fraction] = frozenset()

    def holds(self, use: Use) -> bool:
        """Whether the number may be the question's."""
        value = use.number.value
        return value in self.numbers or (use.share and value in self.shares)

    def mentions(self, value: Fraction) -> bool:
        """Whether the question has this number in any way."""
        return value in self.numbers or value in self.shares


def read_given(question: str) -> Given:
    """The numbers that a question gives."""
    words = set(re.findall(r"[a-z]+", question.lower()))
    spelled = {value for word, values in _SPELLED.items() if word in words for value in values}
    found = numbers_in(question)
    percent = re.compile(r"\s?(?:%|percent)")
    shares = {value for _, end, value in found if percent.match(question, end)}
    plain = {value for _, end, value in found if not percent.match(question, end)}
    return Given(frozenset(plain | spelled), frozenset(shares))


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
