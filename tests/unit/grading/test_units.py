"""What stands behind a number is known, or the number is not read."""

from __future__ import annotations

from fractions import Fraction

import pytest

from services.grading.units import NO_UNIT, Behind, Unit, read_behind

SPEED = Unit((("hour", -1), ("mile", 1)))


@pytest.mark.parametrize(
    ("rest", "behind"),
    [
        ("", Behind(NO_UNIT)),
        (" mph", Behind(SPEED)),
        (" miles per hour", Behind(SPEED)),
        (" miles/hour", Behind(SPEED)),
        (" square feet", Behind(Unit((("foot", 2),)))),
        (" ft^2", Behind(Unit((("foot", 2),)))),
        (" meters squared", Behind(Unit((("m", 2),)))),
        ("%", Behind(Unit((("percent", 1),)))),
        (" million", Behind(NO_UNIT, Fraction(10**6))),
        (" million dollars", Behind(Unit((("dollar", 1),)), Fraction(10**6))),
        (" red marbles", Behind(Unit(noun="marble"))),
        ("cookies", Behind(Unit(noun="cookie"))),
        (" cups of flour", Behind(Unit(noun="cup"))),
    ],
)
def test_units_nouns_and_scales_are_read(rest: str, behind: Behind) -> None:
    assert read_behind(rest) == behind


@pytest.mark.parametrize(
    "rest",
    ["x", "m", " half", " squared", " less", " plus", " times", " apple", " or 6", " negative",
     " thirds", " pairs of shoes", " and a half", " dollars 50", " each", "^2", " sin"],
)  # fmt: skip
def test_an_unknown_word_is_no_unit(rest: str) -> None:
    assert read_behind(rest) is None
