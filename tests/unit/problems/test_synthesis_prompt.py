"""What a model is asked for, and which of its texts are questions."""

from __future__ import annotations

import pytest

from services.problems.synthesis_prompt import read_question, synthesis_prompt

QUESTION = "Ann has 3 apples and eats one. How many are left?"


def test_the_prompt_is_a_list_of_problems_that_goes_on() -> None:
    prompt = synthesis_prompt(["What is 1 + 1?", "What is 2 + 2?"])
    assert prompt.endswith(
        "Problem: What is 1 + 1?<end_of_step>\n\nProblem: What is 2 + 2?<end_of_step>\n\nProblem:"
    )


@pytest.mark.parametrize(
    ("text", "question"),
    [
        (f" {QUESTION}<end_of_step>", QUESTION),
        (f" {QUESTION}\n\nProblem: Another one that was cut", QUESTION),
        (f" {QUESTION}", None),
        ("<end_of_step>", None),
        (" Why?<end_of_step>", None),
        (f" {QUESTION} <output>2<end_of_output><end_of_step>", None),
        ("x" * 20_001 + "<end_of_step>", None),
        (f"\x00 {QUESTION}<end_of_step>", QUESTION),
    ],
    ids=["ends", "goes on", "was cut", "empty", "short", "markers", "endless", "NUL"],
)
def test_only_a_whole_question_is_read(text: str, question: str | None) -> None:
    assert read_question(text) == question
