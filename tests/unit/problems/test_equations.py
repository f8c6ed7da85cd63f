"""Worked equations are read out of prose, and only if they are true."""

import time
from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.problems.equations import read_equations
from services.problems.expressions import evaluate
from services.problems.given import Given, read_given, with_percentage


def results(sentence: str) -> list[Fraction | None]:
    return [evaluate(equation.expression) for equation in read_equations(sentence).equations]


@pytest.mark.parametrize(
    ("sentence", "result"),
    [
        ("Natalia sold 48/2 = <<48/2=24>>24 clips in May.", 24),
        ("Half of them: $<<50*10/100=5>>5 off.", 5),
        ("John will be able to place a total of 28 x 4 = 112 bananas.", 112),
        ("he earns $40/day * 35 days/month = $1400/month", 1400),
        ("The fee is $380,000 x 8/100 = $30,400.", 30400),
        ("4 action figures * $5 = $20", 20),
        ("35 \u00d7 3 = 105 kiwi", 105),
        ("James can harvest 12 \u00f7 1 = 12 times", 12),
        ("it takes 15\u00f71/2=30 minutes", 30),
        ("220 \u2013 22 = 198 liters", 198),
        ("The perimeter is 2(35+31) = 132", 132),
        ("31 meters * (1 meters / 1 meters) = 31 meters", 31),
        ("half * 74 grasshoppers = 37 beetles", 37),
        ("107 spools / 428 spools * 100% = 25%", 25),
        ("the chances are 15 / 20 = 75.0%.", 75),
        ("the chance of two in a row is 50% * 50% = 25%.", 25),
        ("5% of it: $1264 * 5% = $63.2", Fraction("63.2")),
        ("5 * 2 + 3 = 10 + 3 = 13", 13),
        ("90 - 77 signatures. 90 - 77 = 13 signatures", 13),
        ("or 2 * 1/3 = 2/3 kilometers per minute", Fraction(2, 3)),
        ("which is 48 * 0.3333333333333333 = 16 letters", 16),
    ],
)
def test_an_equation_is_read(sentence: str, result: int | Fraction) -> None:
    assert results(sentence) == [result]


def test_several_equations_of_a_sentence_are_read_in_order() -> None:
    assert results("There were 5 + 6 = 11 boys and 3 * 4 = 12 girls.") == [11, 12]


@pytest.mark.parametrize(
    "sentence",
    [
        "So 3 + 4 = 8 apples.",
        "x = 5",
        "2x = 202",
        "13\u00f72/3=19 minutes",
        "= 5",
        "1/0 = 5",
        "5 =",
    ],
)
def test_what_is_false_or_no_equation_is_not_read(sentence: str) -> None:
    assert results(sentence) == []


def test_a_number_whose_equation_could_not_be_read_is_reported() -> None:
    assert read_equations("So 10 + something = 17 apples.").underived == {17}


@pytest.mark.parametrize(
    "hostile",
    [
        " * ".join(["999999999999"] * 2000) + " = 5",
        " * ".join(["9999"] * 100) + " = 5",
        "(" * 5000 + "5" + ")" * 5000 + " = 5",
        "5(" * 19 + "1" + ")" * 19 + " = 5",
        "= " * 450,
        "1 = " * 240,
        "<<1=" * 300,
        "5 a " * 240 + "= 5",
    ],
)
def test_hostile_sentences_are_left_quickly(hostile: str) -> None:
    started = time.perf_counter()
    assert results(hostile) == []
    assert time.perf_counter() - started < 3.0


@settings(deadline=None)
@given(st.text(alphabet="0123456789+-*/()=.,%$x <>a", max_size=60))
def test_no_sentence_raises_and_all_that_is_read_is_true(sentence: str) -> None:
    for equation in read_equations(sentence).equations:
        value = evaluate(equation.expression)
        assert value is not None
        slack = Fraction(1, 2 * 10**equation.shown.decimals) if equation.shown.decimals else 0
        assert abs(value - equation.shown.value) <= slack


def test_a_share_of_a_number_in_the_question_is_spelled_out() -> None:
    question = "James gets 160 emails a day. 30% of those emails need no answer in a 5 day week."
    assert with_percentage("He gets 48=48 such emails", question) == (
        "He gets 160 * 30 / 100 = 48 such emails"
    )
    assert with_percentage("He gets 47=47 such emails", question) == "He gets 47=47 such emails"


def test_numbers_are_given_in_digits_in_words_and_as_shares() -> None:
    question = "Three boys have 1,200 marbles, half of them red, 2.5 kg in all; 40% are lost."
    assert read_given(question) == Given(
        frozenset({Fraction(3), Fraction(1200), Fraction("2.5"), Fraction(2), Fraction(1, 2)}),
        frozenset({Fraction(40)}),
    )
