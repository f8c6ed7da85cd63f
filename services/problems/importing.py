"""From records to an import plan: all of a source is judged before anything of it is stored."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING

from services.errors import ProblemImportError
from services.problems.records import content_hash

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

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
    ungradable: tuple[Skipped, ...] = ()
    """Empty unless ungradable problems were to be skipped."""


async def prepare(
    records: Iterable[ProblemRecord],
    *,
    grader: Grader,
    skip_ungradable: bool = False,
    progress: Callable[[int, int], None] | None = None,
) -> ImportPlan:
    """Read every record, drop repeated questions, and check that each answer can be graded.

    A record without an answer is kept: its trajectories are labelled by agreement. `progress` is
    called with the questions checked and their total.

    Raises:
        ProblemImportError: an id or a question stands for two things, or an answer cannot be
            compared with another (unless `skip_ungradable`).
        GraderUnavailable: the grader could not run.
    """
    distinct, duplicates = _without_repeats(records)
    kept: list[ProblemRecord] = []
    ungradable: list[Skipped] = []
    for start in range(0, len(distinct), _GRADED_AT_A_TIME):
        part = distinct[start : start + _GRADED_AT_A_TIME]
        for record, gradable in zip(part, await _gradable(part, grader), strict=True):
            if gradable:
                kept.append(record)
                continue
            reason = f"{record.where}: the answer {_short(record.answer)} cannot be compared"
            if not skip_ungradable:
                raise ProblemImportError(
                    f"{reason} with other answers; correct it, or pass --skip-ungradable to leave "
                    "such problems out."
                )
            ungradable.append(Skipped(record, f"{reason}."))
        if progress is not None:
            progress(start + len(part), len(distinct))
    return ImportPlan(tuple(kept), duplicates, tuple(ungradable))


def _without_repeats(
    records: Iterable[ProblemRecord],
) -> tuple[list[ProblemRecord], tuple[Skipped, ...]]:
    """The first record of each question, and those that repeat one with the same answer."""
    by_hash: dict[bytes, ProblemRecord] = {}
    by_id: dict[str, ProblemRecord] = {}
    duplicates: list[Skipped] = []
    for record in records:
        digest = content_hash(record.question)
        same = by_hash.get(digest)
        if same is not None and same.answer != record.answer:
            raise ProblemImportError(
                f"{record.where} asks the question of {same.where} but answers "
                f"{_short(record.answer)} instead of {_short(same.answer)}; correct one of them."
            )
        if same is not None:
            duplicates.append(Skipped(record, f"{record.where} repeats {same.where}."))
            continue
        named = by_id.get(record.external_id)
        if named is not None:
            raise ProblemImportError(
                f"{record.where} has the id {_short(record.external_id)} of {named.where}; give "
                "each problem an id of its own."
            )
        by_hash[digest] = by_id[record.external_id] = record
    return list(by_hash.values()), tuple(duplicates)


async def _gradable(records: Sequence[ProblemRecord], grader: Grader) -> list[bool]:
    return await asyncio.gather(*(_is_gradable(record, grader) for record in records))


async def _is_gradable(record: ProblemRecord, grader: Grader) -> bool:
    return record.answer is None or await grader.is_gradable(record.answer)


def _short(text: str | None) -> str:
    if text is None:
        return "nothing"
    return repr(text) if len(text) <= 60 else f"{text[:57]!r}..."
