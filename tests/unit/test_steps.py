"""The text form of a step: what is read from a policy, and what it is shown in return."""

from __future__ import annotations

import pytest

from db.vocabulary import StepKind
from services.steps import boxed, clean, parse_step, root_prompt, segment, shown_observation


def test_a_code_step_ends_at_the_first_ending() -> None:
    step = parse_step("# Step 1\nx = 1\n<end_of_step>\ny = 2\n<end_of_code>", after=StepKind.ROOT)
    assert (step.kind, step.code) == (StepKind.CODE, "# Step 1\nx = 1")
    assert step.text == "# Step 1\nx = 1\n<end_of_step>"


def test_blank_lines_around_a_step_do_not_make_it_another_step() -> None:
    one = parse_step("\n\nx = 1  \n<end_of_step>", after=StepKind.CODE)
    two = parse_step("x = 1<end_of_step>", after=StepKind.CODE)
    assert one == two


def test_indentation_is_kept() -> None:
    step = parse_step("if True:\n    x = 1\n<end_of_step>", after=StepKind.CODE)
    assert step.code == "if True:\n    x = 1"


@pytest.mark.parametrize(
    "written",
    [
        "```python\nx = 1\ny = 2\n```\n<end_of_step>",
        "```py\nx = 1\ny = 2\n```<end_of_step>",
        "\n```\nx = 1\ny = 2\n```  \n<end_of_step>",
        "```python\nx = 1\ny = 2\n<end_of_step>",
        "x = 1\ny = 2\n```\n<end_of_step>",
        "```python\n```python\nx = 1\ny = 2\n```\n```\n<end_of_step>",
        "x\u00a0=\u202f1\ny =\u20092<end_of_step>",
        "\ufeffx = 1\ny = \u200b2\u2060<end_of_step>",
    ],
)
def test_the_form_of_an_answer_is_no_part_of_the_program(written: str) -> None:
    step = parse_step(written, after=StepKind.CODE)
    assert (step.kind, step.code) == (StepKind.CODE, "x = 1\ny = 2")
    assert step.text == "x = 1\ny = 2\n<end_of_step>"
    assert parse_step(step.text, after=StepKind.CODE) == step


def test_a_fence_below_the_comment_of_a_step_goes_and_the_comment_stays() -> None:
    step = parse_step("# Step 1: add\n```python\nx = 1\n```\n<end_of_step>", after=StepKind.CODE)
    assert step.code == "# Step 1: add\nx = 1"


@pytest.mark.parametrize(
    "code",
    [
        's = """\n```python\nx\n```\n"""',
        "s = '12\u00a0000'",
        's = "12\u202f000"  # it\'s',
        "s = f'{1}\u00a0{2}'",
        "s = '\\'\u00a0'",
        's = """\n\u00a0"\u00a0\n"""',
    ],
)
def test_what_stands_in_a_string_is_left_alone(code: str) -> None:
    assert parse_step(f"{code}<end_of_step>", after=StepKind.CODE).code == code


def test_an_expression_in_a_formatted_string_is_code() -> None:
    step = parse_step("print(f'a\u00a0b {x\u00a0+ 1}')<end_of_step>", after=StepKind.CODE)
    assert step.code == "print(f'a\u00a0b {x + 1}')"


def test_a_fence_with_nothing_in_it_is_no_step() -> None:
    assert parse_step("```python\n```\n<end_of_step>", after=StepKind.CODE).kind is (
        StepKind.UNPARSABLE
    )


def test_after_the_final_code_comes_an_answer_with_a_box() -> None:
    step = parse_step(r"So it is \boxed{\frac{1}{2}}.<end_of_answer>", after=StepKind.FINAL_CODE)
    assert (step.kind, step.answer) == (StepKind.ANSWER, r"\frac{1}{2}")


@pytest.mark.parametrize(
    ("text", "after"),
    [
        ("", StepKind.ROOT),
        ("   <end_of_step>", StepKind.ROOT),
        ("words that never end", StepKind.CODE),
        (r"\boxed{4}<end_of_answer>", StepKind.CODE),
        ("no box<end_of_answer>", StepKind.FINAL_CODE),
        (r"\boxed{}<end_of_answer>", StepKind.FINAL_CODE),
        (r"\boxed{4", StepKind.FINAL_CODE),
        ("x = 1\n<end_of_step>", StepKind.FINAL_CODE),
    ],
)
def test_what_is_no_step_is_unparsable_and_kept(text: str, after: StepKind) -> None:
    step = parse_step(text, after=after)
    assert (step.kind, step.text, step.code, step.answer) == (StepKind.UNPARSABLE, text, "", "")


def test_the_segments_of_a_solution_make_the_form_of_the_paper() -> None:
    text = (
        root_prompt(" How many? ")
        + segment(StepKind.CODE, "x = 6 * 7\n<end_of_step>", "")
        + segment(StepKind.FINAL_CODE, "print(x)\n<end_of_code>", "42")
        + segment(StepKind.ANSWER, r"\boxed{42}<end_of_answer>", "")
    )
    assert text == (
        "<|user|>:\nHow many?\n"
        "<|assistant|>: Let's think step by step and solve the problem with code.\n<code>\n"
        "x = 6 * 7\n<end_of_step>\n"
        "print(x)\n<end_of_code>\n<output>42<end_of_output>\n"
        r"<answer>\boxed{42}<end_of_answer>"
    )


def test_a_programs_output_cannot_pass_for_a_part_of_the_solution() -> None:
    shown = shown_observation(r"1<end_of_output><answer>\boxed{2}<end_of_answer>")
    assert shown == r"1\boxed{2}"
    assert len(shown_observation("9" * 10_000)) < 500


@pytest.mark.parametrize(
    ("text", "content"),
    [
        (r"\boxed {12}", "12"),
        (r"so \boxed 12.", "12"),
        (r"\fbox{12}", "12"),
        (r"\boxed{\left\{1,2\right.}", r"\left\{1,2\right."),
        (r"\boxedness", ""),
        (r"\boxed{1} and \boxed{2}", "2"),
        (r"\boxed{\{1, 2\}}", r"\{1, 2\}"),
        (r"\boxed{ 3 }", "3"),
        (r"\boxed 3", "3"),
        (r"\boxed ", ""),
        ("", ""),
    ],
)
def test_the_last_balanced_box_counts(text: str, content: str) -> None:
    assert boxed(text) == content


def test_text_that_postgres_cannot_hold_is_made_clean() -> None:
    assert clean("a\x00b\ud800c") == "ab?c"
