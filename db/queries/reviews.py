"""Problems whose ground truth may be wrong, and what was decided of them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import select, text
from sqlalchemy.dialects.postgresql import insert

from db.errors import DatabaseError
from db.models import Problem, ProblemReview, RunProblem
from db.records.problems import UnsolvedAnswer
from db.vocabulary import ReviewDecision

if TYPE_CHECKING:
    from db.session import Database


def unsolved_answers(database: Database, round_id: int, *, last_tier: int) -> list[UnsolvedAnswer]:
    """The answers of the run's searches to problems that it never solved.

    Those of problems whose last tier in this round is done, and that nobody has reviewed. An answer
    that no rollout ended in does not count.
    """
    with database.begin() as connection:
        rows = connection.execute(
            text(
                """
                WITH own AS (
                    SELECT s.id, s.round_id, s.problem_id, s.status, s.solved
                    FROM searches AS s JOIN rounds AS r ON r.id = s.round_id
                    WHERE r.run_id = (SELECT run_id FROM rounds WHERE id = :round_id)
                ), unsolved AS (
                    SELECT p.id, p.question, p.answer FROM problems AS p
                    WHERE p.answer IS NOT NULL
                      AND EXISTS (SELECT FROM searches AS s
                                  WHERE s.round_id = :round_id AND s.problem_id = p.id
                                    AND s.tier = :last_tier AND s.status = 'done')
                      AND NOT EXISTS (SELECT FROM own WHERE own.problem_id = p.id AND own.solved)
                      AND NOT EXISTS (SELECT FROM problem_reviews AS v WHERE v.problem_id = p.id)
                )
                SELECT u.id AS problem_id, u.question, u.answer AS truth, n.search_id, n.text
                FROM unsolved AS u
                JOIN own ON own.problem_id = u.id AND own.status = 'done'
                JOIN nodes AS n ON n.round_id = own.round_id AND n.search_id = own.id
                WHERE n.terminal_reason = 'answer' AND n.visit_count > 0
                ORDER BY u.id, n.search_id, n.node_no
                """
            ),
            {"round_id": round_id, "last_tier": last_tier},
        )
        return [UnsolvedAnswer(**row._mapping) for row in rows]


def refused(database: Database, run_id: int) -> frozenset[int]:
    """The run's problems whose ground truth was found wrong, or whose question ambiguous."""
    with database.begin() as connection:
        found = connection.scalars(
            select(ProblemReview.problem_id)
            .join(RunProblem, RunProblem.problem_id == ProblemReview.problem_id)
            .where(RunProblem.run_id == run_id, ProblemReview.decision != ReviewDecision.OK)
        )
        return frozenset(found)


def mark(database: Database, problem_id: int, decision: ReviewDecision, note: str) -> None:
    """Store what was decided; a later decision takes the place of an earlier one.

    Raises:
        DatabaseError: there is no such problem.
    """
    with database.begin() as connection:
        known = connection.execute(select(Problem.id).where(Problem.id == problem_id))
        if known.scalar_one_or_none() is None:
            raise DatabaseError(
                f"There is no problem {problem_id}. `stepforge problems review` lists those that "
                "wait for a decision."
            )
        connection.execute(
            insert(ProblemReview)
            .values(problem_id=problem_id, decision=decision, note=note)
            .on_conflict_do_update(
                index_elements=["problem_id"], set_={"decision": decision, "note": note}
            )
        )
