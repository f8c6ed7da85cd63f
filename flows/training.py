"""The trainer flows: each pulls the dataset version of a round and leaves a checkpoint."""

from __future__ import annotations

from db.vocabulary import StageName
from flows.engine import flow
from services.stages import open_run, run_stage
from services.training.stage import train_policy_stage, train_ppm_stage


@flow(name="train-policy")
def train_policy(run: str, round_number: int) -> None:
    """SFT on the round's best trajectories; round 0 is the bootstrap."""
    with open_run(run) as context:
        run_stage(
            context,
            round_number,
            StageName.TRAIN_POLICY,
            lambda: train_policy_stage(context, round_number),
        )


@flow(name="train-ppm")
def train_ppm(run: str, round_number: int) -> None:
    """The process preference model, on the round's preference pairs."""
    with open_run(run) as context:
        run_stage(
            context,
            round_number,
            StageName.TRAIN_PPM,
            lambda: train_ppm_stage(context, round_number),
        )
