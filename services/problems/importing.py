"""From records to an import plan: all of a source is judged before anything of it is stored."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from db.vocabulary import Verdict
from services.problems.faults import Faults
from services.problems.records import content_hash

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from services.grading.base import Grader
    from services.problems.records import ProblemRecord

_GRADED_AT_A_TIME = 256


@dataclass(frozen=True, slots=True)
class Skipped:
    """A record that is left out, and why, in a sentence."""

    record: ProblemRecord
    reason: str


@dataclass(frozen=True, slots=True)
class ImportPlan:
    """What an import will store. `records` have distinct ids and distinct content hashes."""

    records: tuple[ProblemRecord, ...]
    duplicates: tuple[Skipped, ...] = ()


async def prepare(
    records: Iterable[ProblemRecord],
    *,
    grader: Grader,
    faults: Faults | None = None,
    stored: Callable[[Sequence[bytes]], Mapping[bytes, str | None]] = lambda _: {},
    progress: Callable[[int, int], None] | None = None,
) -> ImportPlan:
    """Read every record, drop repeated questions, and check that each answer can be graded.

    A record without an answer is kept: its trajectories are labelled by agreement. A question that
    stands twice is one problem where the grader finds its answers equal; otherwise neither of its
    records can be used, as nothing says which is right. `progress` is called with the questions
    checked and their total. `stored` gives the answers of those questions, by content hash, that
    are stored already: a record with an equal answer takes the stored spelling.

    Raises:
        ProblemImportError: an id or a question stands for two things, or an answer cannot be
            compared with another (unless `faults` leaves such records out).
        GraderUnavailable: the grader could not run.
    """
    faults = faults or Faults()
    distinct, repeats = _distinct(records, faults)
    duplicates, contradicted = await _judged(repeats, grader, faults)
    distinct = [pair for pair in distinct if pair[1].where not in contradicted]
    kept: list[ProblemRecord] = []
    for start in range(0, len(distinct), _GRADED_AT_A_TIME):
        part = distinct[start : start + _GRADED_AT_A_TIME]
        gradable_ones = []
        readable = await _gradable([record for _, record in part], grader)
        for (digest, record), gradable in zip(part, readable, strict=True):
            if gradable:
                gradable_ones.append((digest, record))
                continue
            answer = _short(record.answer)
            _note(faults, record, f"the answer {answer} cannot be compared with others; correct it")
        kept += await _as_stored(gradable_ones, stored, grader, faults)
        if progress is not None:
            progress(start + len(part), len(distinct))
    if faults.leaves_out:
        for skipped in duplicates:
            faults.note(skipped.record.where, skipped.reason, _entry(skipped.record))
    faults.end()
    return ImportPlan(tuple(kept), duplicates)


def _distinct(
    records: Iterable[ProblemRecord], faults: Faults
) -> tuple[list[tuple[bytes, ProblemRecord]], list[tuple[ProblemRecord, ProblemRecord]]]:
    """The first record of each question with its hash, and later ones with that first one."""
    by_hash: dict[bytes, ProblemRecord] = {}
    by_id: dict[str, ProblemRecord] = {}
    repeats: list[tuple[ProblemRecord, ProblemRecord]] = []
    for record in records:
        digest = content_hash(record.question)
        same = by_hash.get(digest)
        if same is not None:
            repeats.append((record, same))
            continue
        named = by_id.get(record.external_id)
        if named is not None:
            taken = _short(record.external_id)
            _note(
                faults,
                record,
                f"it has the id {taken} of {named.where}; give each problem an id of its own",
            )
            continue
        by_hash[digest] = by_id[record.external_id] = record
    return list(by_hash.items()), repeats


async def _judged(
    repeats: Sequence[tuple[ProblemRecord, ProblemRecord]], grader: Grader, faults: Faults
) -> tuple[tuple[Skipped, ...], set[str]]:
    """Repeats with an equal answer, and the places of the first records that others contradict."""
    duplicates: list[Skipped] = []
    contradicted: set[str] = set()
    for start in range(0, len(repeats), _GRADED_AT_A_TIME):
        part = repeats[start : start + _GRADED_AT_A_TIME]
        verdicts = await asyncio.gather(*(_compared(*pair, grader) for pair in part))
        for (record, same), verdict in zip(part, verdicts, strict=True):
            if verdict is Verdict.EQUAL:
                reason = f"{record.where} repeats {same.where}."
                duplicates.append(Skipped(record, reason))
                continue
            unsure = verdict is Verdict.UNDECIDED
            _note(
                faults,
                record,
                f"it asks the question of {same.where} but answers {_short(record.answer)} instead "
                f"of {_short(same.answer)}"
                + (", and the grader cannot say whether these are equal" if unsure else "")
                + "; correct one of them",
            )
            if faults.leaves_out and same.where not in contradicted:
                _note(faults, same, f"it is contradicted by {record.where}; correct one of them")
            contradicted.add(same.where)
    return tuple(duplicates), contradicted


async def _as_stored(
    records: Sequence[tuple[bytes, ProblemRecord]],
    stored: Callable[[Sequence[bytes]], Mapping[bytes, str | None]],
    grader: Grader,
    faults: Faults,
) -> list[ProblemRecord]:
    """The records, those of stored questions with the stored answer; contradicting ones noted."""
    answers = stored([digest for digest, _ in records])
    agreeing = []
    for digest, record in records:
        if digest not in answers:
            agreeing.append(record)
            continue
        there = replace(record, answer=answers[digest])
        verdict = await _compared(record, there, grader)
        if verdict is Verdict.EQUAL:
            agreeing.append(there)
            continue
        unsure = verdict is Verdict.UNDECIDED
        _note(
            faults,
            record,
            f"this question is stored with the answer {_short(there.answer)}, not "
            f"{_short(record.answer)}"
            + (", and the grader cannot say whether these are equal" if unsure else "")
            + "; correct or remove this problem",
        )
    return agreeing


async def _compared(record: ProblemRecord, same: ProblemRecord, grader: Grader) -> Verdict:
    """Most repeats are spelled alike, and the grader is asked about the others only."""
    if record.answer == same.answer:
        return Verdict.EQUAL
    if record.answer is None or same.answer is None:
        return Verdict.DIFFERENT
    return await grader.grade(record.answer, truth=same.answer)


def _note(faults: Faults, record: ProblemRecord, why: str) -> None:
    faults.note(record.where, f"{record.where}: {why}.", _entry(record))


def _entry(record: ProblemRecord) -> dict[str, str | None]:
    return {
        "id": record.external_id,
        "question": record.question,
        "answer": record.answer,
        "solution": record.solution,
    }


async def _gradable(records: Sequence[ProblemRecord], grader: Grader) -> list[bool]:
    return await asyncio.gather(*(_is_gradable(record, grader) for record in records))


async def _is_gradable(record: ProblemRecord, grader: Grader) -> bool:
    return record.answer is None or await grader.is_gradable(record.answer)


def _short(text: str | None) -> str:
    if text is None:
        return "nothing"
    return repr(text) if len(text) <= 60 else f"{text[:57]!r}..."
