"""Problems into the database: read, check, then store all of a source in one transaction."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from db.queries import problems
from db.records.problems import NewProblem
from services import reporting
from services.grading.process import ProcessGrader
from services.problems.faults import Faults
from services.problems.importing import ImportPlan, prepare
from services.problems.records import content_hash
from services.problems.sources import contamination_of, read_source

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from pathlib import Path

    from db.session import Database
    from services.problems.records import ProblemRecord
    from services.reporting import Bar

COUNT_EVERY = 100
"""Records between two movements of the progress bar."""


@dataclass(frozen=True, slots=True)
class Imported:
    """What an import did. `problem_ids` are the source's problems, in its order, old and new."""

    source: str
    problem_ids: tuple[int, ...]
    inserted: int
    already_there: int
    duplicates: int
    left_out: int = 0
    """Entries that cannot be used; they and the duplicates are in the file `rejects`."""
    rejects: Path | None = None

    def sentence(self) -> str:
        """For people."""
        parts = [f"Imported {self.inserted} problems from {self.source}."]
        if self.already_there:
            parts.append(f"{self.already_there} were stored already.")
        if self.duplicates:
            parts.append(f"{self.duplicates} stand in the source more than once and were skipped.")
        if self.left_out:
            parts.append(f"{self.left_out} cannot be used and were left out.")
        if self.rejects is not None:
            parts.append(f"What was left out is in {self.rejects}, with the reasons.")
        contamination = contamination_of(self.source)
        if contamination:
            parts.append(contamination)
        return " ".join(parts)


def import_source(
    database: Database,
    source: str,
    *,
    mapping: Mapping[str, str],
    limit: int | None,
    seed: int,
    rejects: Path | None = None,
) -> Imported:
    """Store the problems of a source, or nothing.

    Where `rejects` names a file, what cannot be used is left out and written there.

    Raises:
        ProblemImportError: the source cannot be read, or a problem in it is not one; says where.
        DatabaseError: a question is stored already with another answer.
    """
    with reporting.current().bar("Reading the problems", None) as bar, Faults(rejects) as faults:
        read = read_source(source, limit=limit, seed=seed, mapping=mapping, on_bad=faults.note)
        plan = asyncio.run(_prepare(database, _counted(read, bar), faults))
    new = [
        NewProblem(
            source=record.source,
            external_id=record.external_id,
            question=record.question,
            answer=record.answer,
            solution=record.solution,
            content_hash=content_hash(record.question),
        )
        for record in plan.records
    ]
    counts = problems.import_all(database, new)
    ids = problems.ids_by_hash(database, [problem.content_hash for problem in new])
    return Imported(
        source=source,
        problem_ids=tuple(ids),
        inserted=counts.inserted,
        already_there=counts.already_there,
        duplicates=len(plan.duplicates),
        left_out=faults.count - len(plan.duplicates) if rejects else 0,
        rejects=rejects if faults.count else None,
    )


async def _prepare(
    database: Database, records: Iterable[ProblemRecord], faults: Faults
) -> ImportPlan:
    grader = ProcessGrader()
    try:
        return await prepare(
            records,
            grader=grader,
            faults=faults,
            stored=partial(problems.answers_by_hash, database),
        )
    finally:
        await grader.close()


def _counted(records: Iterable[ProblemRecord], bar: Bar) -> Iterator[ProblemRecord]:
    count = 0
    for record in records:
        count += 1
        if count % COUNT_EVERY == 0:
            bar.update(count)
        yield record
    bar.update(count, total=count)
