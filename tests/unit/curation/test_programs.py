"""Which programs are the same."""

from __future__ import annotations

import pytest

from db.records.trees import PathStep
from db.vocabulary import StepKind
from services.curation.programs import fingerprint
from services.curation.spec import Distinct


def steps(*codes: str, output: str = "4", answer: str = "It is 4") -> list[PathStep]:
    """A solution: code steps, the last of which prints, and an answer."""
    *first, last = codes
    return [
        *(PathStep(StepKind.CODE, f"{code}\n<end_of_step>", "") for code in first),
        PathStep(StepKind.FINAL_CODE, f"{last}\n<end_of_code>", output),
        PathStep(StepKind.ANSWER, f"{answer}<end_of_answer>", ""),
    ]


def same(left: list[PathStep], right: list[PathStep], distinct: Distinct) -> bool:
    return fingerprint(left, distinct) == fingerprint(right, distinct)


@pytest.mark.parametrize(
    "other",
    [
        steps("apples = 2 + 2", "print(apples)"),
        steps("# Step 1: another comment\nx=2+2", "print( x )"),
        steps("x = 2 + 2", '"""Now print."""\nprint(x)', answer="The answer is 4"),
        steps("x = 2 + 2\nprint(x)"),
    ],
    ids=["names", "comments and layout", "docstring and words", "other cut into steps"],
)
def test_the_same_program_in_other_words_is_the_same(other: list[PathStep]) -> None:
    plain = steps("x = 2 + 2", "print(x)")
    assert same(plain, other, Distinct.CODE)
    assert not same(plain, other, Distinct.TEXT)


@pytest.mark.parametrize(
    "other",
    [
        steps("x = 2 + 3", "print(x)"),
        steps("x = 2 - 2", "print(x)"),
        steps("x = 2 + 2", "print(-x)"),
        steps("x = 2 + 2", "print(int(x))"),
        steps("import sympy\nx = 2 + 2", "print(x)"),
    ],
    ids=["number", "operator", "sign", "call", "import"],
)
def test_a_program_that_does_something_else_is_another(other: list[PathStep]) -> None:
    assert not same(steps("x = 2 + 2", "print(x)"), other, Distinct.CODE)


def test_names_are_told_apart_by_their_roles() -> None:
    straight = steps("a = 1\nb = 2", "print(a - b)")
    crossed = steps("b = 1\na = 2", "print(a - b)")
    assert not same(straight, crossed, Distinct.CODE)
    assert same(straight, steps("u = 1\nv = 2", "print(u - v)"), Distinct.CODE)


def test_functions_and_their_parameters_are_names_too() -> None:
    one = steps("def f(x, step=1):\n    return x + step", "print(f(3, step=1))")
    other = steps('def g(y, by=1):\n    "Adds."\n    return y + by', "print(g(3, by=1))")
    assert same(one, other, Distinct.CODE)


def test_programs_with_the_same_output_are_the_same_where_outputs_decide() -> None:
    one, other = steps("x = 2 + 2", "print(x)"), steps("print(8 // 2)")
    assert same(one, other, Distinct.OUTPUTS)
    assert not same(one, steps("print(4.0)", output="4.0"), Distinct.OUTPUTS)


def test_what_does_not_parse_is_compared_as_text() -> None:
    broken = steps("x = = 2", "print(x)")
    assert same(broken, steps("x = = 2", "print(x)"), Distinct.CODE)
    assert not same(broken, steps("y = = 2", "print(y)"), Distinct.CODE)


def test_a_program_nested_without_end_does_not_end_the_curation() -> None:
    deep = steps("x = " + "(" * 5000 + "1" + ")" * 5000, "print(x)")
    deeper = steps("x = " + "-" * 20000 + "1", "print(x)")
    assert fingerprint(deep, Distinct.CODE) != fingerprint(deeper, Distinct.CODE)
