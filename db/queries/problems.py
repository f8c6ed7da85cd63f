"""Problems in bulk: an import is one transaction, and a question already there is left as it is."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from sqlalchemy import LargeBinary, cast, func, select, text
from sqlalchemy.dialects.postgresql import ARRAY, insert

from db.errors import DatabaseError
from db.models import Problem, RunProblem
from db.records.problems import NewProblem, ProblemRow

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy import ColumnElement, Connection

    from db.session import Database
    from db.vocabulary import Split

BATCH = 5_000
"""Rows an INSERT; Postgres takes at most 65,535 parameters."""


@dataclass(frozen=True, slots=True)
class ImportCounts:
    inserted: int
    already_there: int


def import_all(database: Database, problems: Sequence[NewProblem]) -> ImportCounts:
    """Store every problem whose question is new, or nothing at all.

    Raises:
        DatabaseError: a stored question has another answer than the one to import.
    """
    with database.begin() as connection:
        return insert_all(connection, problems)


def insert_all(connection: Connection, problems: Sequence[NewProblem]) -> ImportCounts:
    """As `import_all`, on the caller's transaction."""
    inserted = 0
    for start in range(0, len(problems), BATCH):
        batch = problems[start : start + BATCH]
        _refuse_conflicts(connection, batch)
        stored = connection.execute(
            insert(Problem)
            .on_conflict_do_nothing(index_elements=["content_hash"])
            .returning(Problem.id),
            [
                {
                    "source": problem.source,
                    "external_id": problem.external_id,
                    "question": problem.question,
                    "answer": problem.answer,
                    "solution": problem.solution,
                    "content_hash": problem.content_hash,
                }
                for problem in batch
            ],
        )
        inserted += len(stored.all())
    return ImportCounts(inserted=inserted, already_there=len(problems) - inserted)


def answers_by_hash(database: Database, hashes: Sequence[bytes]) -> dict[bytes, str | None]:
    """The stored answers of the questions with these content hashes; new ones are not in it."""
    with database.begin() as connection:
        rows = connection.execute(
            select(Problem.content_hash, Problem.answer).where(
                Problem.content_hash == any_of(hashes)
            )
        )
        return {bytes(content_hash): answer for content_hash, answer in rows}


def ids_by_hash(database: Database, hashes: Sequence[bytes]) -> list[int]:
    """Ids of the problems with these content hashes, in the order of the hashes."""
    with database.begin() as connection:
        return ids_of(connection, hashes)


def ids_of(connection: Connection, hashes: Sequence[bytes]) -> list[int]:
    """As `ids_by_hash`, on the caller's transaction."""
    rows = connection.execute(
        select(Problem.content_hash, Problem.id).where(Problem.content_hash == any_of(hashes))
    )
    found = {bytes(content_hash): problem_id for content_hash, problem_id in rows}
    return [found[content_hash] for content_hash in hashes]


def is_stored(database: Database, content_hash: bytes) -> bool:
    """Whether this question is stored, from wherever it came."""
    with database.begin() as connection:
        found = connection.execute(
            select(Problem.id).where(Problem.content_hash == content_hash)
        ).one_or_none()
    return found is not None


def answered(database: Database, problem_ids: Sequence[int]) -> list[int]:
    """Those of the problems that have a ground truth, in the same order."""
    with database.begin() as connection:
        rows = connection.execute(
            text("SELECT id FROM problems WHERE id = ANY(:ids) AND answer IS NOT NULL"),
            {"ids": list(problem_ids)},
        )
        known = set(rows.scalars())
    return [problem_id for problem_id in problem_ids if problem_id in known]


def of_run(database: Database, run_id: int, split: Split) -> list[ProblemRow]:
    """The problems of one split of a run, in the run's order."""
    with database.begin() as connection:
        rows = connection.execute(
            select(
                Problem.id,
                Problem.source,
                Problem.external_id,
                Problem.question,
                Problem.answer,
                Problem.solution,
            )
            .join(RunProblem, RunProblem.problem_id == Problem.id)
            .where(RunProblem.run_id == run_id, RunProblem.split == split)
            .order_by(RunProblem.position)
        )
        return [ProblemRow(**row._mapping) for row in rows]


@dataclass(frozen=True, slots=True)
class SourceCount:
    source: str
    problems: int
    with_answer: int
    with_solution: int


def count_by_source(database: Database) -> list[SourceCount]:
    """How many problems each source gave."""
    with database.begin() as connection:
        rows = connection.execute(
            select(
                Problem.source,
                func.count().label("problems"),
                func.count(Problem.answer).label("with_answer"),
                func.count(Problem.solution).label("with_solution"),
            )
            .group_by(Problem.source)
            .order_by(Problem.source)
        )
        return [SourceCount(**row._mapping) for row in rows]


def any_of(hashes: Sequence[bytes]) -> ColumnElement[bytes]:
    """One array parameter, however many there are; a list of them is limited to 65,535."""
    return func.any(cast(list(hashes), ARRAY(LargeBinary)))


def _refuse_conflicts(connection: Connection, batch: Sequence[NewProblem]) -> None:
    rows = connection.execute(
        select(Problem.content_hash, Problem.id, Problem.answer).where(
            Problem.content_hash == any_of([problem.content_hash for problem in batch])
        )
    )
    stored = {
        bytes(content_hash): (problem_id, answer) for content_hash, problem_id, answer in rows
    }
    for problem in batch:
        problem_id, answer = stored.get(problem.content_hash, (None, None))
        if problem_id is not None and answer != problem.answer:
            raise DatabaseError(
                f"{problem.source} {problem.external_id}: this question is stored as problem "
                f"{problem_id} with the answer {answer!r}, not {problem.answer!r}. Nothing was "
                "imported; correct or remove this problem in the source."
            )
