"""An import is planned from a whole source, so that nothing of a broken one is stored."""

import json
from collections.abc import Iterator
from itertools import count
from pathlib import Path

import pytest

from db.vocabulary import Verdict
from services.errors import ProblemImportError
from services.grading.plain import PlainGrader
from services.problems.faults import Faults
from services.problems.importing import ImportPlan, prepare
from services.problems.records import ProblemRecord, content_hash
from services.problems.sources import read_source

_lines = count(1)


def a_record(question: str, answer: str | None = "4", external_id: str = "") -> ProblemRecord:
    line = next(_lines)
    return ProblemRecord("s", external_id or f"id-{line}", question, answer, None, f"s line {line}")


async def planned(*records: ProblemRecord, faults: Faults | None = None) -> ImportPlan:
    return await prepare(records, grader=PlainGrader(), faults=faults)


class UndecidedGrader(PlainGrader):
    """Can read all answers and compare none."""

    async def grade(self, answer: str, *, truth: str) -> Verdict:
        return Verdict.UNDECIDED


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
    assert str(refused.value).startswith(
        f"{other.where}: it asks the question of {first.where} but answers '5' instead of '4'; "
        "correct one of them."
    )


@pytest.mark.parametrize("pair", [("160", r"\$ 160"), ("1/2", "0.5"), ("12.", "12")])
async def test_answers_that_are_spelled_otherwise_do_not_conflict(pair: tuple[str, str]) -> None:
    first, again = a_record("2?", pair[0]), a_record("2?", pair[1])
    plan = await planned(first, again)
    assert plan.records == (first,)
    assert [skipped.record for skipped in plan.duplicates] == [again]


async def test_answers_that_the_grader_cannot_compare_conflict() -> None:
    records = [a_record("2?", "1"), a_record("2?", "2")]
    with pytest.raises(ProblemImportError, match="the grader cannot say whether"):
        await prepare(records, grader=UndecidedGrader())


async def test_a_stored_question_keeps_the_spelling_of_its_answer() -> None:
    record = a_record("2?", "0.5")
    stored = {content_hash("2?"): "1/2"}
    plan = await prepare([record], grader=PlainGrader(), stored=lambda _: stored)
    assert [kept.answer for kept in plan.records] == ["1/2"]


async def test_a_stored_question_with_another_answer_is_refused() -> None:
    stored = {content_hash("2?"): "3"}
    with pytest.raises(ProblemImportError, match="is stored with the answer '3', not '4'"):
        await prepare([a_record("2?")], grader=PlainGrader(), stored=lambda _: stored)


async def test_every_fault_is_counted_and_the_first_twenty_are_told() -> None:
    with pytest.raises(ProblemImportError) as refused:
        await planned(*(a_record(f"{k}?", r"\boxed{}") for k in range(30)))
    told = str(refused.value)
    assert told.startswith("30 entries cannot be used, and nothing was imported")
    assert told.count("cannot be compared") == 20
    assert told.endswith("and 10 more.")


async def test_of_contradicting_records_none_is_kept(tmp_path: Path) -> None:
    rejects = tmp_path / "r.jsonl"
    good, one, two = a_record("a?"), a_record("b?", "1"), a_record("b?", "2")
    with Faults(rejects) as faults:
        plan = await planned(good, one, two, faults=faults)
    assert plan.records == (good,)
    left_out = [json.loads(line)["where"] for line in rejects.read_text().splitlines()]
    assert sorted(left_out) == sorted([one.where, two.where])


async def test_an_id_that_stands_twice_is_refused() -> None:
    first, other = a_record("a?", external_id="x"), a_record("b?", external_id="x")
    with pytest.raises(
        ProblemImportError, match=f"{other.where}: it has the id 'x' of {first.where}"
    ):
        await planned(first, other)


async def test_an_answer_that_cannot_be_graded_is_refused_with_the_way_out() -> None:
    bad = a_record("a?", r"\boxed{}")
    with pytest.raises(ProblemImportError) as refused:
        await planned(a_record("b?"), bad)
    assert bad.where in str(refused.value)
    assert "pass --skip-bad" in str(refused.value)


async def test_ungradable_answers_are_left_out_on_request(tmp_path: Path) -> None:
    good, bad = a_record("b?"), a_record("a?", r"\boxed{}")
    with Faults(tmp_path / "r.jsonl") as faults:
        plan = await planned(bad, good, faults=faults)
    assert plan.records == (good,)
    [line] = (tmp_path / "r.jsonl").read_text().splitlines()
    assert json.loads(line)["entry"]["question"] == "a?"


def test_no_file_of_left_out_entries_stays_half_written(tmp_path: Path) -> None:
    with Faults(tmp_path / "r.jsonl") as faults:
        faults.note("line 1", "bad", {})
        assert list(tmp_path.iterdir()) != []
    assert list(tmp_path.iterdir()) == []


def test_where_left_out_entries_cannot_be_written_the_way_out_is_told(tmp_path: Path) -> None:
    faults = Faults(tmp_path / "absent" / "r.jsonl")
    with pytest.raises(ProblemImportError, match="--rejects"):
        faults.note("line 1", "bad", {})


def test_every_kind_of_bad_line_is_left_out_and_the_next_is_read(tmp_path: Path) -> None:
    bad = [b"{", b'{"question": "\xff"}', b"[]", b'{"q": 1}', b'{"question": "a", "answer": ""}']
    bad += [b'{"question": "' + b"a" * 20_001 + b'"}', b'"' + b"a" * (9 << 20) + b'"']
    bad += [b'{"question": "a", "answer": "' + b"1" * 2_001 + b'"}', b'{"question": 5}']
    good = b'{"question": "fine", "answer": "1"}'
    path = tmp_path / "some.jsonl"
    path.write_bytes(b"\n".join([*bad, good]))
    places: list[str] = []
    [record] = read_source(
        str(path),
        limit=None,
        seed=0,
        mapping={},
        on_bad=lambda where, reason, entry: places.append(where),
    )
    assert record.question == "fine"
    assert places == [f"some.jsonl line {k}" for k in range(1, len(bad) + 1)]


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
