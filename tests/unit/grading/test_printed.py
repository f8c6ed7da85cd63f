"""Printed values are read as they were printed, and no text is ever run or raises."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sympy import Interval, Matrix, Rational, oo, sympify

from services.grading.printed import Listed, is_evident, read_printed

WORDS = st.sampled_from(
    ["1", "0.5", "x", "pi", "oo", "I", "2j", "(", ")", "[", "]", "{", "}", ",", "+", "-", "*", "**",
     "/", "<", "<=", "&", "|", "sqrt", "Matrix", "Interval", "Fraction", "np.float64", "'1/3'",
     "lambda", "__import__", ".", "=", "if", "else", "for", " "]
)  # fmt: skip


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("Fraction(1, 3)", Rational(1, 3)),
        ("Fraction('1/3')", Rational(1, 3)),
        ("np.float64(0.5)", sympify("0.5")),
        ("Interval.Lopen(0, oo)", Interval.Lopen(0, oo)),
        ("[[1, 2], [3, 4]]", Matrix([[1, 2], [3, 4]])),
        ("(7,)", Listed((sympify(7),), is_list=False)),
        ("2**10", sympify(1024)),
    ],
)
def test_a_printed_value_is_read(text: str, value: object) -> None:
    assert read_printed(text) == value


@pytest.mark.parametrize(
    "text",
    [
        "__import__('os').system('true')",
        "(lambda: 1)()",
        "open('/etc/passwd')",
        "[x for x in (1, 2)]",
        "x.__class__",
        "eval('1')",
        "f'{1}'",
        "2**(10**9)",
        "Matrix([[1, 2], [3]])" * 2,
        "sqrt(x=2)",
        "1 if 2 else 3",
        "'text'",
        "",
        "(",
    ],
)
def test_whatever_is_no_value_is_not_read(text: str) -> None:
    assert read_printed(text) is None


@given(st.lists(WORDS, max_size=12).map("".join) | st.text(max_size=40))
@settings(max_examples=300, deadline=None)
def test_no_text_raises(text: str) -> None:
    read_printed(text)
    is_evident(text)
