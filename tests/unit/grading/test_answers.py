"""Plain answers are compared exactly and without a parser."""

import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from db.vocabulary import Verdict
from services.grading.answers import MOST_CHARACTERS, accepted, compare
from services.grading.notation import normalise
from services.grading.numbers import plain_number
from tests.unit.grading.pairs import DIFFERENT, EQUAL


@pytest.mark.parametrize(("answer", "truth"), EQUAL)
def test_equal_answers_are_never_called_different(answer: str, truth: str) -> None:
    assert all(compare(answer, one) is not Verdict.DIFFERENT for one in accepted(truth)[:1])


@pytest.mark.parametrize(("answer", "truth"), DIFFERENT)
def test_different_answers_are_never_called_equal(answer: str, truth: str) -> None:
    assert all(compare(answer, one) is not Verdict.EQUAL for one in accepted(truth))


@pytest.mark.parametrize(
    "answer", ["72", "1/2", "25%", r"\$18.90", "5 cm", "-0.25", "1,000", "137 1/2", "2e3"]
)
def test_plain_numbers_are_read_without_a_parser(answer: str) -> None:
    assert plain_number(answer) is not None


@pytest.mark.parametrize(
    "answer", ["3x", "2k", "5 pi", "5 or 6", "1,2", "1/0", "52_8", "", "x", "1e9999", "3 sin"]
)
def test_what_is_no_plain_number_is_left_to_algebra(answer: str) -> None:
    assert plain_number(answer) is None


def test_a_json_list_of_strings_is_a_list_of_accepted_answers() -> None:
    assert accepted('["1/2", "half"]') == ("1/2", "half")


@pytest.mark.parametrize("truth", ["[1, 2]", "[-2,7]", "[]", "[", '["5", 6]', "[" * 5000])
def test_other_brackets_are_one_answer(truth: str) -> None:
    assert accepted(truth) == (truth,)


def test_an_answer_past_the_length_limit_equals_only_itself() -> None:
    long = "1+" * MOST_CHARACTERS
    assert compare(long, long) is Verdict.EQUAL
    assert compare(long, "5") is Verdict.UNDECIDED


@pytest.mark.parametrize(
    "hostile",
    [
        "1 " * 1000,
        "," * 2000,
        "\\" * 2000,
        "(" * 2000,
        "\\text{" * 333,
        "$" * 2000,
        "5 " + "a " * 900,
        "1,111" * 400,
        "5" + " " * 1990 + "x",
        "\x00" * 2000,
        "\\boxed{" * 285,
        "{,}" * 600,
        "a" * 5_000_000,
    ],
)
def test_hostile_text_is_decided_at_once(hostile: str) -> None:
    started = time.perf_counter()
    compare(hostile, "5")
    compare("5", hostile)
    assert time.perf_counter() - started < 2.0


@settings(deadline=None)
@given(st.text(max_size=80))
def test_normalising_twice_changes_nothing(text: str) -> None:
    assert normalise(normalise(text)) == normalise(text)


@settings(deadline=None)
@given(st.text(max_size=80), st.text(max_size=80))
def test_no_text_raises(answer: str, truth: str) -> None:
    compare(answer, truth)


@settings(deadline=None)
@given(st.integers(min_value=-(10**12), max_value=10**12))
def test_separators_and_decimals_do_not_change_an_integer(number: int) -> None:
    for written in (f"{number:,}", f"{number}.0", f"${number}$", f"{number}%"):
        assert compare(written, str(number)) is Verdict.EQUAL
    assert compare(str(number + 1), f"{number:,}") is Verdict.DIFFERENT


@settings(deadline=None)
@given(st.integers(-(10**9), 10**9), st.integers(1, 10_000))
def test_the_float_that_python_prints_for_a_fraction_is_equal_to_it(over: int, under: int) -> None:
    assert compare(repr(over / under), f"{over}/{under}") is Verdict.EQUAL


@settings(deadline=None)
@given(st.integers(-(10**9), 10**9), st.integers(1, 10_000))
def test_two_decimals_are_not_enough_for_a_fraction_that_has_more(over: int, under: int) -> None:
    exact = (over * 100) % under == 0
    verdict = compare(f"{over / under:.2f}", f"{over}/{under}")
    assert verdict is (Verdict.EQUAL if exact else Verdict.DIFFERENT)
