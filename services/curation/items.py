"""Training examples as text, put together from stored steps.

The same functions made the prompts of the search, so a model is trained on exactly what it will be
asked.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from db.records.datasets import DatasetItemRecord
from db.vocabulary import PairKind
from services.curation.spec import Weighting
from services.steps import segment, solution_prompt

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from db.records.datasets import PairCandidate, TrajectoryCandidate
    from db.records.trees import PathStep


@dataclass(frozen=True, slots=True)
class PairTexts:
    """Two continuations of one prompt."""

    prompt: str
    chosen: str
    rejected: str


def solution_text(steps: Iterable[PathStep]) -> str:
    """What the steps add to the root prompt."""
    return "".join(segment(step.kind, step.text, step.observation) for step in steps)


def shared_steps(kind: PairKind, chosen: Sequence[PathStep]) -> int:
    """How many steps of a pair belong to its prompt; whole trajectories share only the question."""
    return len(chosen) - 1 if kind is PairKind.STEP else 0


def pair_texts(
    kind: PairKind, question: str, *, chosen: Sequence[PathStep], rejected: Sequence[PathStep]
) -> PairTexts:
    """The texts of a pair, from the two paths to its nodes."""
    shared = shared_steps(kind, chosen)
    return PairTexts(
        prompt=solution_prompt(question, [step.kind for step in chosen])
        + solution_text(chosen[:shared]),
        chosen=solution_text(chosen[shared:]),
        rejected=solution_text(rejected[shared:]),
    )


def trajectory_item(
    candidate: TrajectoryCandidate, question: str, steps: Sequence[PathStep]
) -> DatasetItemRecord:
    """A solution with the Q of each step."""
    return DatasetItemRecord(
        problem_id=candidate.problem_id,
        group_key=f"trajectory {candidate.trajectory_id}",
        prompt=solution_prompt(question, [step.kind for step in steps]),
        chosen=solution_text(steps),
        trajectory_id=candidate.trajectory_id,
        depth=len(steps),
        correct=candidate.correct,
        q_value=candidate.mean_q,
        solve_rate=candidate.solve_rate,
        step_lengths=tuple(len(segment(s.kind, s.text, s.observation)) for s in steps),
        step_q=tuple(step.q_value for step in steps),
    )


def pair_item(
    candidate: PairCandidate, texts: PairTexts, weighting: Weighting
) -> DatasetItemRecord:
    """A pair with its margin and weight."""
    where = candidate.parent_no if candidate.kind is PairKind.STEP else "answer"
    return DatasetItemRecord(
        problem_id=candidate.problem_id,
        group_key=f"search {candidate.search_id} node {where}",
        prompt=texts.prompt,
        chosen=texts.chosen,
        rejected=texts.rejected,
        pair_id=candidate.pair_id,
        depth=candidate.depth,
        q_value=candidate.chosen_q,
        margin=candidate.margin,
        weight=pair_weight(candidate, weighting),
        solve_rate=candidate.solve_rate,
    )


def pair_weight(candidate: PairCandidate, weighting: Weighting) -> float:
    """How much a trainer may count a pair, above 0 to 1 (see `Weighting`)."""
    fewest = min(candidate.chosen_visits, candidate.rejected_visits)
    by_margin, by_visits = candidate.margin / 2, fewest / (fewest + 1)
    match weighting:
        case Weighting.UNIFORM:
            return 1.0
        case Weighting.MARGIN:
            return by_margin
        case Weighting.VISITS:
            return by_visits
        case Weighting.MARGIN_AND_VISITS:
            return by_margin * by_visits
