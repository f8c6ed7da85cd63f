"""The worked examples are what they teach: valid steps whose code gives the answer shown."""

from __future__ import annotations

import contextlib
import io

import pytest

from db.vocabulary import StepKind
from services.inference.few_shot import EXAMPLES, FEW_SHOT_PREFIX, Example
from services.steps import END_OF_ANSWER, END_OF_CODE, END_OF_STEP, parse_step


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda example: example.output)
def test_an_example_is_made_of_valid_steps(example: Example) -> None:
    for code in example.steps:
        step = parse_step(f"{code}\n{END_OF_STEP}", after=StepKind.CODE)
        assert (step.kind, step.code) == (StepKind.CODE, code)
    final = parse_step(f"{example.final}\n{END_OF_CODE}", after=StepKind.CODE)
    answer = parse_step(example.answer + END_OF_ANSWER, after=StepKind.FINAL_CODE)
    assert (final.kind, answer.kind) == (StepKind.FINAL_CODE, StepKind.ANSWER)
    assert answer.text in example.text


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda example: example.output)
def test_the_code_of_an_example_prints_its_output(example: Example) -> None:
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        exec("\n".join((*example.steps, example.final)), {})
    assert printed.getvalue().strip() == example.output


def test_the_prefix_holds_each_example_once() -> None:
    assert FEW_SHOT_PREFIX.count(END_OF_ANSWER) == len(EXAMPLES)
    assert FEW_SHOT_PREFIX.endswith("\n\n")
