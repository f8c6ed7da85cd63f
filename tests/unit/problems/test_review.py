"""Which unsolved problems look mislabelled: by how many trajectories agree on another answer."""

from __future__ import annotations

from db.records.problems import UnsolvedAnswer
from services.grading.plain import PlainGrader
from services.problems.review import MOST_WORDINGS, equivalence_classes, suspicions


def answers(problem: int, *boxed: str) -> list[UnsolvedAnswer]:
    return [
        UnsolvedAnswer(problem, "How many?", "4", search, f"It is \\boxed{{{text}}}<end_of_answer>")
        for search, text in enumerate(boxed, start=10 * problem)
    ]


async def test_answers_that_are_equal_in_other_words_agree() -> None:
    (found,) = await suspicions(
        answers(1, "5", "5.0", "5", "7"), PlainGrader(), min_share=0.75, min_agreeing=3
    )
    assert (found.answer, found.agreeing, found.trajectories) == ("5", 3, 4)
    assert found.share == 0.75
    assert found.search_ids == (10, 11, 12)
    assert found.truth == "4"


async def test_too_little_agreement_or_too_few_trajectories_are_no_suspicion() -> None:
    scattered, few = answers(1, "5", "6", "7", "8"), answers(2, "5", "5")
    assert await suspicions(scattered + few, PlainGrader(), min_share=0.5, min_agreeing=3) == []


async def test_the_strongest_agreement_comes_first() -> None:
    weak, strong = answers(1, "5", "5", "5", "6"), answers(2, "9", "9", "9")
    found = await suspicions(weak + strong, PlainGrader(), min_share=0.5, min_agreeing=3)
    assert [it.problem_id for it in found] == [2, 1]


async def test_however_many_wordings_there_are_the_comparisons_stay_few() -> None:
    class CountingGrader(PlainGrader):
        calls = 0

        async def grade(self, answer: str, *, truth: str) -> object:
            self.calls += 1
            return await super().grade(answer, truth=truth)

    grader = CountingGrader()
    texts = [str(number) for number in range(500)]
    assert len(await equivalence_classes(texts, grader)) == 500
    assert grader.calls == MOST_WORDINGS * (MOST_WORDINGS - 1) // 2
