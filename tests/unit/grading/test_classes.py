"""Answers that are the same one are counted together."""

from __future__ import annotations

from services.grading.classes import answer_classes
from services.grading.plain import PlainGrader


async def test_the_largest_class_comes_first_with_its_most_frequent_wording() -> None:
    classes = await answer_classes(["7", "0.5", "1/2", "1/2", "8"], PlainGrader())
    assert [found.answers for found in classes] == [("0.5", "1/2", "1/2"), ("7",), ("8",)]
    assert classes[0].answer == "1/2"


async def test_answers_that_cannot_be_compared_are_classes_of_their_own() -> None:
    long = "x" * 3_000
    classes = await answer_classes([long, long + "y", "1"], PlainGrader())
    assert [len(found.answers) for found in classes] == [1, 1, 1]


async def test_no_answers_make_no_class() -> None:
    assert await answer_classes([], PlainGrader()) == []
