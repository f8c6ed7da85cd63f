"""An import is planned from a whole source, so that nothing of a broken one is stored."""

from collections.abc import Iterator
from itertools import count

import pytest

from services.errors import ProblemImportError
from services.grading.plain import PlainGrader
from services.problems.importing import ImportPlan, prepare
from services.problems.records import ProblemRecord

_lines = count(1)


def a_record(question: str, answer: str | None = "4", external_id: str = "") -> ProblemRecord:
    line = next(_lines)
    return ProblemRecord("s", external_id or f"id-{line}", question, answer, None, f"s line {line}")


async def planned(*records: ProblemRecord, skip_ungradable: bool = False) -> ImportPlan:
    return await prepare(records, grader=PlainGrader(), skip_ungradable=skip_ungradable)


async def test_every_new_question_is_planned_in_order() -> None:
    records = [a_record(f"{k} + {k}?", str(2 * k)) for k in range(600)]
    plan = await planned(*records)
    assert plan == ImportPlan(tuple(records))


async def test_a_question_without_an_answer_is_kept() -> None:
    plan = await planned(record := a_record("Why?", None))
    assert plan.records == (record,)


async def test_a_question_that_stands_twice_is_skipped_and_reported() -> None:
    first, again = a_record("2 + 2?"), a_record("2 +  2?")
    plan = await planned(first, again)
    assert plan.records == (first,)
    [skipped] = plan.duplicates
    assert skipped.record == again
    assert skipped.reason == f"{again.where} repeats {first.where}."


async def test_a_question_with_two_answers_is_refused() -> None:
    first, other = a_record("2 + 2?", "4"), a_record("2 + 2?", "5")
    with pytest.raises(ProblemImportError) as refused:
        await planned(first, other)
    assert str(refused.value) == (
        f"{other.where} asks the question of {first.where} but answers '5' instead of '4'; "
        "correct one of them."
    )


async def test_an_id_that_stands_twice_is_refused() -> None:
    first, other = a_record("a?", external_id="x"), a_record("b?", external_id="x")
    with pytest.raises(ProblemImportError, match=f"{other.where} has the id 'x' of {first.where}"):
        await planned(first, other)


async def test_an_answer_that_cannot_be_graded_is_refused_with_the_way_out() -> None:
    bad = a_record("a?", r"\boxed{}")
    with pytest.raises(ProblemImportError) as refused:
        await planned(a_record("b?"), bad)
    assert bad.where in str(refused.value)
    assert "pass --skip-ungradable" in str(refused.value)


async def test_ungradable_answers_are_left_out_on_request() -> None:
    good, bad = a_record("b?"), a_record("a?", r"\boxed{}")
    plan = await planned(bad, good, skip_ungradable=True)
    assert plan.records == (good,)
    assert [skipped.record for skipped in plan.ungradable] == [bad]


async def test_a_source_that_breaks_midway_leaves_no_plan() -> None:
    def records() -> Iterator[ProblemRecord]:
        yield a_record("a?")
        raise ProblemImportError("s line 2 is not JSON; correct it.")

    with pytest.raises(ProblemImportError, match="line 2"):
        await prepare(records(), grader=PlainGrader())


async def test_progress_reaches_the_number_of_questions() -> None:
    told: list[tuple[int, int]] = []
    records = [a_record(f"{k}?") for k in range(300)]
    await prepare(records, grader=PlainGrader(), progress=lambda *t: told.append(t))
    assert told[-1] == (300, 300)
