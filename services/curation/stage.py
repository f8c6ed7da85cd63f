"""The curation stage: trajectories, preference pairs and the two dataset versions of a round."""

from __future__ import annotations

from typing import TYPE_CHECKING

from db.queries import datasets, mining, statistics
from services import reporting
from services.curation.choosing import choose
from services.curation.spec import preference_spec, sft_spec
from services.problems.synthesis_stage import drop_stage

if TYPE_CHECKING:
    from services.curation.spec import CurationSpec
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
    sft = _version(context, round_number, sft_spec(profile.sft, round_number))
    preferences = _version(context, round_number, preference_spec(profile.ppm, round_number))
    reporting.current().say(
        f"{mined.trajectories} trajectories and {mined.pairs} preference pairs; to train on: "
        f"{sft} trajectories, {preferences} pairs"
    )


def _version(context: RunContext, round_number: int, spec: CurationSpec) -> int:
    """The round's version of this kind, made unless it is there. Returns how many items it has."""
    database, run_id = context.database, context.run.id
    there = datasets.find(database, run_id=run_id, round_number=round_number, kind=spec.kind)
    if there is not None:
        return there.item_count
    chosen = choose(database, run_id, spec)
    if chosen.items:
        datasets.create(
            database,
            run_id=run_id,
            round_number=round_number,
            kind=spec.kind,
            spec=spec.model_dump(mode="json"),
            items=chosen.items,
        )
    return len(chosen.items)
