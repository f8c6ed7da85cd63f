"""The mutually consistent solutions of problems without a ground truth, as examples to train on."""

from __future__ import annotations

from typing import TYPE_CHECKING

from db.queries import consistency
from db.records.datasets import DatasetItemRecord
from services.curation.items import solution_text
from services.curation.reading import paths_to
from services.steps import segment, solution_prompt

if TYPE_CHECKING:
    from collections.abc import Sequence

    from db.session import Database


def consistent_items(
    database: Database, round_ids: Sequence[int], *, a_problem: int
) -> list[DatasetItemRecord]:
    """The best `a_problem` of each problem and round by reward x confidence (rStar section 3.3)."""
    found = consistency.mutual(database, round_ids, a_problem=a_problem)
    paths = paths_to(database, ((m.round_id, m.search_id, m.leaf_no) for m in found))
    items = []
    for trajectory in found:
        steps = paths[trajectory.round_id, trajectory.search_id, trajectory.leaf_no]
        items.append(
            DatasetItemRecord(
                problem_id=trajectory.problem_id,
                group_key=f"search {trajectory.search_id} answer {trajectory.leaf_no}",
                prompt=solution_prompt(trajectory.question, [step.kind for step in steps]),
                chosen=solution_text(steps),
                depth=len(steps),
                step_lengths=tuple(len(segment(s.kind, s.text, s.observation)) for s in steps),
                step_q=tuple(step.q_value for step in steps),
            )
        )
    return items
