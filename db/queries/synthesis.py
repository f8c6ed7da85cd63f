"""Synthetic problems: a draft is stored with its fate, a kept one with its problem, at once."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import func, insert, literal, select, text
from sqlalchemy.dialects.postgresql import insert as upsert

from db.models import Problem, Run, RunProblem, SynthesisDraft
from db.records.problems import ProblemRow
from db.records.synthesis import DraftCount, DroppedDraft
from db.vocabulary import DraftStatus, Split

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from db.records.synthesis import DraftRecord
    from db.session import Database


def seed_problems(database: Database, run_id: int) -> list[ProblemRow]:
    """The run's training problems, synthetic ones left out.

    A problem that any run holds out is no seed of any run: what is made from it would resemble it.
    """
    with database.begin() as connection:
        rows = connection.execute(
            text(
                """
                SELECT p.id, p.source, p.external_id, p.question, p.answer, p.solution
                FROM run_problems AS t JOIN problems AS p ON p.id = t.problem_id
                WHERE t.run_id = :run_id AND t.split = 'train'
                  AND NOT EXISTS (SELECT FROM run_problems AS h
                                  WHERE h.problem_id = p.id AND h.split = 'held_out')
                  AND NOT EXISTS (SELECT FROM synthesis_drafts AS d WHERE d.problem_id = p.id)
                ORDER BY t.position
                """
            ),
            {"run_id": run_id},
        )
        return [ProblemRow(**row._mapping) for row in rows]


def recorded(database: Database, run_id: int, batch_seed: int) -> set[int]:
    """The numbers of a batch's drafts that are stored."""
    with database.begin() as connection:
        return set(
            connection.execute(
                select(SynthesisDraft.draft_no).where(
                    SynthesisDraft.run_id == run_id, SynthesisDraft.batch_seed == batch_seed
                )
            ).scalars()
        )


def record(
    database: Database, draft: DraftRecord, *, source: str, content_hash: bytes
) -> DraftStatus:
    """Store a draft; a kept one becomes a training problem of its run. Returns its fate.

    A question that was stored since the draft was written makes it a duplicate. A draft that is
    stored already is left as it is.
    """
    with database.begin() as connection:
        # Positions in a run are given out one at a time.
        connection.execute(select(Run.id).where(Run.id == draft.run_id).with_for_update())
        status, problem_id = draft.status, None
        if status is DraftStatus.KEPT:
            problem_id = _new_problem(connection, draft, source=source, content_hash=content_hash)
            status = DraftStatus.KEPT if problem_id is not None else DraftStatus.DUPLICATE
        stored = connection.execute(
            upsert(SynthesisDraft)
            .values(
                run_id=draft.run_id,
                batch_seed=draft.batch_seed,
                draft_no=draft.draft_no,
                status=status,
                seed_problem_ids=list(draft.seed_problem_ids),
                writer=draft.writer,
                prompt_version=draft.prompt_version,
                sampling_seed=draft.sampling_seed,
                question=draft.question,
                solver=draft.solver,
                solutions=draft.solutions,
                agreeing=draft.agreeing,
                answer=draft.answer,
                problem_id=problem_id,
            )
            .on_conflict_do_nothing(index_elements=["run_id", "batch_seed", "draft_no"])
            .returning(SynthesisDraft.id)
        ).one_or_none()
        if stored is not None and problem_id is not None:
            _join_run(connection, draft.run_id, problem_id)
    return status


def counts(database: Database, run_id: int, batch_seed: int) -> list[DraftCount]:
    """How many drafts of a batch met which fate."""
    with database.begin() as connection:
        rows = connection.execute(
            select(SynthesisDraft.status, func.count().label("drafts"))
            .where(SynthesisDraft.run_id == run_id, SynthesisDraft.batch_seed == batch_seed)
            .group_by(SynthesisDraft.status)
            .order_by(SynthesisDraft.status)
        )
        return [DraftCount(**row._mapping) for row in rows]


def drop_doubtful(database: Database, run_id: int, *, least_share: float) -> list[DroppedDraft]:
    """Drop the synthetic problems whose searches were correct too seldom.

    The share is that of the correct among the graded trajectories of all of the problem's curated
    searches in the run; a problem that was searched without one has share 0. What is dropped is
    searched and trained on no more. Returns what was dropped now.
    """
    with database.begin() as connection:
        rows = connection.execute(
            text(
                """
                WITH fared AS (
                    SELECT d.id, count(t.id) FILTER (WHERE t.correct)::float8
                                 / greatest(count(t.id), 1) AS share
                    FROM synthesis_drafts AS d
                    JOIN searches AS s ON s.problem_id = d.problem_id AND s.status = 'done'
                    JOIN rounds AS r ON r.id = s.round_id AND r.run_id = d.run_id
                    LEFT JOIN trajectories AS t ON t.search_id = s.id
                    WHERE d.run_id = :run_id AND d.status = 'kept'
                    GROUP BY d.id
                ), looked_at AS (
                    UPDATE synthesis_drafts AS d
                    SET correct_share = f.share,
                        status = CASE WHEN f.share < :least THEN 'dropped' ELSE 'kept' END
                                 ::draft_status,
                        dropped_at = CASE WHEN f.share < :least THEN now() END
                    FROM fared AS f WHERE d.id = f.id
                    RETURNING d.problem_id, d.correct_share, d.status
                ), gone AS (
                    DELETE FROM run_problems AS t USING looked_at AS l
                    WHERE t.run_id = :run_id AND t.problem_id = l.problem_id
                      AND l.status = 'dropped'
                )
                SELECT problem_id, correct_share FROM looked_at WHERE status = 'dropped'
                ORDER BY problem_id
                """
            ),
            {"run_id": run_id, "least": least_share},
        )
        return [DroppedDraft(**row._mapping) for row in rows]


def _new_problem(
    connection: Connection, draft: DraftRecord, *, source: str, content_hash: bytes
) -> int | None:
    """The id of the draft's problem; None where its question is stored already."""
    return connection.execute(
        upsert(Problem)
        .values(
            source=source,
            external_id=f"{draft.batch_seed}-{draft.draft_no}",
            question=draft.question,
            answer=draft.answer,
            content_hash=content_hash,
        )
        .on_conflict_do_nothing(index_elements=["content_hash"])
        .returning(Problem.id)
    ).scalar_one_or_none()


def _join_run(connection: Connection, run_id: int, problem_id: int) -> None:
    """The problem becomes the last of the run's training problems."""
    last = func.coalesce(func.max(RunProblem.position), -1) + 1
    connection.execute(
        insert(RunProblem).from_select(
            ["run_id", "problem_id", "split", "position"],
            select(
                literal(run_id),
                literal(problem_id),
                literal(Split.TRAIN, RunProblem.split.type),
                last,
            ).where(RunProblem.run_id == run_id),
        )
    )
