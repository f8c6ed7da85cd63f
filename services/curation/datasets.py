"""From labelled trees to training sets: which trajectories and pairs become examples, as text.

The text of an example is put together from stored steps by the same function that made the
prompts of the search, so a model is trained on exactly what it will be asked.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING

from db.queries import curation, datasets, runs
from db.records import DatasetItemRecord
from db.vocabulary import DatasetKind, PairKind
from services.config import Pool
from services.stages import BOOTSTRAP_ROUND
from services.steps import root_prompt, segment

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from db.records import PairPick, PathStep, TrajectoryPick
    from db.session import Database
    from services.config import PpmProfile, SftProfile


def sft_items(
    database: Database, run_id: int, round_number: int, profile: SftProfile
) -> list[DatasetItemRecord]:
    """The verified trajectories that a policy is trained on, those of this round first.

    The best `trajectories_per_problem` of each problem by mean Q (rStar-Math section 3.4), from
    the pools of the profile; equal texts once; at most `max_examples`.
    """
    wanted = [
        row.id
        for row in runs.rounds_of(database, run_id)
        if (row.number == round_number and Pool.THIS_ROUND in profile.pool)
        or (row.number < round_number and Pool.EARLIER_ROUNDS in profile.pool)
    ]
    picks = curation.best_trajectories(database, wanted, a_problem=profile.trajectories_per_problem)
    items = list(_trajectory_items(database, picks))
    if Pool.BOOTSTRAP in profile.pool:
        bootstrap = datasets.find(
            database, run_id=run_id, round_number=BOOTSTRAP_ROUND, kind=DatasetKind.SFT
        )
        items += datasets.items(database, bootstrap.id) if bootstrap else []
    unique = {(item.prompt, item.chosen): item for item in reversed(items)}
    return list(reversed(unique.values()))[: profile.max_examples]


def preference_items(
    database: Database, round_id: int, profile: PpmProfile
) -> list[DatasetItemRecord]:
    """The preference pairs that the PPM is trained on, those of the widest margin first."""
    picks = curation.widest_pairs(database, round_id, limit=profile.max_pairs)
    ends = [(pick.search_id, node) for pick in picks for node in (pick.chosen_no, pick.rejected_no)]
    paths = curation.paths(database, round_id, ends)
    return [
        _pair_item(
            pick,
            pair_texts(
                pick,
                chosen=paths[pick.search_id, pick.chosen_no],
                rejected=paths[pick.search_id, pick.rejected_no],
            ),
        )
        for pick in picks
    ]


def solution_text(steps: Iterable[PathStep]) -> str:
    """What the steps add to the root prompt."""
    return "".join(segment(step.kind, step.text, step.observation) for step in steps)


def _trajectory_items(
    database: Database, picks: Sequence[TrajectoryPick]
) -> Iterable[DatasetItemRecord]:
    by_round: dict[int, list[TrajectoryPick]] = defaultdict(list)
    for pick in picks:
        by_round[pick.round_id].append(pick)
    for round_id, of_round in by_round.items():
        paths = curation.paths(
            database, round_id, [(pick.search_id, pick.leaf_no) for pick in of_round]
        )
        for pick in of_round:
            yield DatasetItemRecord(
                problem_id=pick.problem_id,
                group_key=f"trajectory {pick.trajectory_id}",
                prompt=root_prompt(pick.question),
                chosen=solution_text(paths[pick.search_id, pick.leaf_no]),
                trajectory_id=pick.trajectory_id,
            )


@dataclass(frozen=True, slots=True)
class PairTexts:
    """Two continuations of one prompt."""

    prompt: str
    chosen: str
    rejected: str


def pair_texts(
    pick: PairPick, *, chosen: Sequence[PathStep], rejected: Sequence[PathStep]
) -> PairTexts:
    """The shared prefix belongs to the prompt; whole trajectories share only the question."""
    shared = len(chosen) - 1 if pick.kind is PairKind.STEP else 0
    return PairTexts(
        prompt=root_prompt(pick.question) + solution_text(chosen[:shared]),
        chosen=solution_text(chosen[shared:]),
        rejected=solution_text(rejected[shared:]),
    )


def _pair_item(pick: PairPick, texts: PairTexts) -> DatasetItemRecord:
    where = pick.parent_no if pick.kind is PairKind.STEP else "answer"
    return DatasetItemRecord(
        problem_id=pick.problem_id,
        group_key=f"search {pick.search_id} node {where}",
        prompt=texts.prompt,
        chosen=texts.chosen,
        rejected=texts.rejected,
        pair_id=pick.pair_id,
    )
