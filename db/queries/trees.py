"""Reading what was made: trees and their nodes, for people."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import select

from db.models import Node, Problem, Round, Run, Search
from db.records.trees import TreeNode, TreeSummary

if TYPE_CHECKING:
    from db.session import Database

_SUMMARY = (
    Search.id.label("search_id"),
    Search.round_id,
    Round.number.label("round_number"),
    Run.name.label("run_name"),
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
        return [TreeSummary(**row._mapping) for row in connection.execute(query)]


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
    return TreeSummary(**row._mapping) if row else None


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
        return [TreeNode(**row._mapping) for row in rows]
