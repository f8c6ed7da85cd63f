"""Reading what was made: trees, nodes and pairs, for people."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import select, text

from db.models import Node, Problem, Round, Run, Search
from db.records.trees import PairPick, TreeNode, TreeSummary
from db.vocabulary import PairKind

if TYPE_CHECKING:
    from db.session import Database

_SUMMARY = (
    Search.id,
    Search.round_id,
    Round.number,
    Run.name,
    Problem.question,
    Problem.answer,
    Search.status,
    Search.solved,
    Search.rollouts,
    Search.node_count,
)


def summaries(
    database: Database, *, run: str | None, round_number: int | None, limit: int
) -> list[TreeSummary]:
    """Done searches, the newest round first; within a round in the order of the problems."""
    query = (
        select(*_SUMMARY)
        .join(Round, Round.id == Search.round_id)
        .join(Run, Run.id == Round.run_id)
        .join(Problem, Problem.id == Search.problem_id)
        .where(Search.status == "done")
        .order_by(Round.id.desc(), Search.id)
        .limit(limit)
    )
    if run is not None:
        query = query.where(Run.name == run)
    if round_number is not None:
        query = query.where(Round.number == round_number)
    with database.begin() as connection:
        return [TreeSummary(*row) for row in connection.execute(query)]


def summary(database: Database, search_id: int) -> TreeSummary | None:
    """One search, whatever its status."""
    with database.begin() as connection:
        row = connection.execute(
            select(*_SUMMARY)
            .join(Round, Round.id == Search.round_id)
            .join(Run, Run.id == Round.run_id)
            .join(Problem, Problem.id == Search.problem_id)
            .where(Search.id == search_id)
        ).one_or_none()
    return TreeSummary(*row) if row else None


def newest_solved(database: Database) -> TreeSummary | None:
    """The solved search of the newest round that has the most nodes."""
    with database.begin() as connection:
        search_id = connection.execute(
            select(Search.id)
            .where(Search.solved.is_(True))
            .order_by(Search.round_id.desc(), Search.node_count.desc())
            .limit(1)
        ).scalar_one_or_none()
    return summary(database, search_id) if search_id is not None else None


def nodes(database: Database, tree: TreeSummary) -> list[TreeNode]:
    """The nodes of a tree, parents before children."""
    with database.begin() as connection:
        rows = connection.execute(
            select(
                Node.node_no,
                Node.parent_no,
                Node.depth,
                Node.kind,
                Node.outcome,
                Node.terminal_reason,
                Node.verdict,
                Node.visit_count,
                Node.q_value,
                Node.prior,
                Node.proposals,
                Node.text,
                Node.observation,
                Node.error,
            )
            .where(Node.round_id == tree.round_id, Node.search_id == tree.search_id)
            .order_by(Node.node_no)
        )
        return [TreeNode(*row) for row in rows]


def pair(database: Database, pair_id: int) -> tuple[PairPick, int, tuple[float, float]] | None:
    """A preference pair, its round, and the Q-values of the chosen and the rejected step."""
    with database.begin() as connection:
        row = connection.execute(
            text(
                """
                SELECT q.id, q.kind::text AS kind, q.search_id, q.parent_no, q.chosen_no,
                       q.rejected_no,
                       s.problem_id, p.question, q.round_id, q.chosen_q, q.rejected_q
                FROM preference_pairs AS q
                JOIN searches AS s ON s.id = q.search_id
                JOIN problems AS p ON p.id = s.problem_id
                WHERE q.id = :pair_id
                """
            ),
            {"pair_id": pair_id},
        ).one_or_none()
    if row is None:
        return None
    pick = PairPick(
        pair_id=row.id,
        kind=PairKind(row.kind),
        search_id=row.search_id,
        parent_no=row.parent_no,
        chosen_no=row.chosen_no,
        rejected_no=row.rejected_no,
        problem_id=row.problem_id,
        question=row.question,
    )
    return pick, row.round_id, (row.chosen_q, row.rejected_q)


def widest_pair_ids(database: Database, *, run: str | None, limit: int) -> list[int]:
    """Ids of the preference pairs of the widest margin, the newest round first."""
    with database.begin() as connection:
        return list(
            connection.execute(
                text(
                    """
                    SELECT q.id FROM preference_pairs AS q
                    JOIN rounds AS r ON r.id = q.round_id
                    JOIN runs AS u ON u.id = r.run_id
                    WHERE CAST(:run AS text) IS NULL OR u.name = :run
                    ORDER BY q.round_id DESC, q.margin DESC, q.id LIMIT :limit
                    """
                ),
                {"run": run, "limit": limit},
            ).scalars()
        )
