"""The curation stage: trajectories, preference pairs and the two dataset versions of a round."""

from __future__ import annotations

from typing import TYPE_CHECKING

from db.queries import datasets, mining, statistics
from db.vocabulary import DatasetKind
from services import reporting
from services.curation.datasets import preference_items, sft_items
from services.problems.synthesis_stage import drop_stage

if TYPE_CHECKING:
    from collections.abc import Sequence

    from db.records import DatasetItemRecord
    from services.stages import RunContext


def curate_stage(context: RunContext, round_id: int, round_number: int) -> None:
    """Mine the round's done searches; make a version of each kind unless it is there.

    A round that gave nothing to train on makes no version; training then says so and goes on from
    what there is.
    """
    database = context.database
    mined = mining.mine(database, round_id)
    statistics.refresh(database, round_id)
    drop_stage(context)
    profile = context.round_profile(round_number)
    sft = sft_items(database, context.run.id, round_number, profile.sft)
    preferences = preference_items(database, round_id, profile.ppm)
    _store(context, round_number, DatasetKind.SFT, profile.sft.model_dump(mode="json"), sft)
    _store(
        context,
        round_number,
        DatasetKind.PREFERENCE,
        profile.ppm.model_dump(mode="json"),
        preferences,
    )
    reporting.current().say(
        f"{mined.trajectories} trajectories and {mined.pairs} preference pairs; to train on: "
        f"{len(sft)} trajectories, {len(preferences)} pairs"
    )


def _store(
    context: RunContext,
    round_number: int,
    kind: DatasetKind,
    spec: dict[str, object],
    items: Sequence[DatasetItemRecord],
) -> None:
    there = datasets.find(
        context.database, run_id=context.run.id, round_number=round_number, kind=kind
    )
    if items and there is None:
        datasets.create(
            context.database,
            run_id=context.run.id,
            round_number=round_number,
            kind=kind,
            spec=spec,
            items=items,
        )
