"""The training stages: pull a dataset version, train, publish the folder, then record it.

A checkpoint's row is written after its folder is complete, so a recorded checkpoint can always be
loaded; a folder without a row is a leftover of an interrupted run and is replaced.
"""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import TYPE_CHECKING

from db.queries import checkpoints, datasets
from db.vocabulary import CheckpointKind, DatasetKind
from services import reporting
from services.profiles import StartFrom
from services.stages import BOOTSTRAP_ROUND

if TYPE_CHECKING:
    from db.records.checkpoints import CheckpointRow
    from db.records.datasets import DatasetItemRecord, DatasetRow
    from services.profiles import SftProfile
    from services.reporting import Bar
    from services.stages import RunContext
    from services.training.preferences import PreferenceExample
    from services.training.progress import TrainingProgress


def train_policy_stage(context: RunContext, round_number: int) -> None:
    """Train the round's policy on its SFT version; a round without one keeps the policy it had."""
    from services.training.sft import SftExample, train_policy

    profile = _sft_profile(context, round_number)
    dataset = _dataset(context, round_number, DatasetKind.SFT)
    if dataset is None:
        reporting.current().say("no correct trajectory was found: the policy stays as it is")
        return
    if _recorded(context, round_number, CheckpointKind.POLICY):
        return
    start = _policy_to_start_from(context, round_number, profile.start_from)
    items = datasets.items(context.database, dataset.id)
    out = _fresh_folder(context, round_number, CheckpointKind.POLICY)
    with reporting.current().bar("Training the policy", None) as bar:
        report = train_policy(
            start,
            [SftExample(prompt=item.prompt, completion=item.chosen) for item in items],
            out=out,
            settings=profile,
            seed=context.profile.seed,
            progress=lambda p: _show(bar, p),
        )
    checkpoints.record(
        context.database,
        run_id=context.run.id,
        round_number=round_number,
        kind=CheckpointKind.POLICY,
        path=str(out),
        started_from=str(start),
        dataset_id=dataset.id,
        content_hash=report.content_hash,
        metrics={
            "examples": report.examples,
            "tokens": report.tokens,
            "final_loss": report.final_loss,
            "seconds": report.seconds,
        },
    )


def train_ppm_stage(context: RunContext, round_number: int) -> None:
    """Train the round's PPM, from its policy, on its preference pairs."""
    from services.training.ppm import train_ppm

    profile = context.round_profile(round_number).ppm
    dataset = _dataset(context, round_number, DatasetKind.PREFERENCE)
    if dataset is None:
        reporting.current().say("no preference pair was found: no PPM is trained")
        return
    if _recorded(context, round_number, CheckpointKind.PPM):
        return
    start = _policy_to_start_from(context, round_number + 1, StartFrom.PREVIOUS)
    items = datasets.items(context.database, dataset.id)
    training, held_out = split_by_problem(items, profile.held_out_share)
    out = _fresh_folder(context, round_number, CheckpointKind.PPM)
    with reporting.current().bar("Training the PPM", None) as bar:
        report = train_ppm(
            start,
            [_preference(item) for item in training],
            [_preference(item) for item in held_out],
            out=out,
            settings=profile,
            seed=context.profile.seed,
            progress=lambda p: _show(bar, p),
        )
    checkpoints.record(
        context.database,
        run_id=context.run.id,
        round_number=round_number,
        kind=CheckpointKind.PPM,
        path=str(out),
        started_from=str(start),
        dataset_id=dataset.id,
        content_hash=report.content_hash,
        metrics={
            "pairs": report.pairs,
            "held_out_pairs": report.held_out_pairs,
            "pair_accuracy_before": report.accuracy_before,
            "pair_accuracy": report.accuracy_after,
            "final_loss": report.final_loss,
            "seconds": report.seconds,
        },
    )


def split_by_problem(
    items: list[DatasetItemRecord], held_out_share: float
) -> tuple[list[DatasetItemRecord], list[DatasetItemRecord]]:
    """Training pairs and held-out pairs; the pairs of one problem are never on both sides.

    With a share above 0 and pairs of at least two problems, neither side is empty.
    """
    order = sorted({item.problem_id for item in items})
    if held_out_share == 0 or len(order) < 2:
        return items, []
    count = min(max(round(len(order) * held_out_share), 1), len(order) - 1)
    stride = len(order) / count
    held = {order[int(k * stride)] for k in range(count)}
    return (
        [item for item in items if item.problem_id not in held],
        [item for item in items if item.problem_id in held],
    )


def _preference(item: DatasetItemRecord) -> PreferenceExample:
    from services.training.preferences import PreferenceExample

    assert item.rejected is not None, "items of a preference version are pairs"
    return PreferenceExample(
        group=item.group_key,
        chosen=item.prompt + item.chosen,
        rejected=item.prompt + item.rejected,
    )


def _sft_profile(context: RunContext, round_number: int) -> SftProfile:
    if round_number == BOOTSTRAP_ROUND:
        return context.profile.bootstrap.sft
    return context.round_profile(round_number).sft


def _dataset(context: RunContext, round_number: int, kind: DatasetKind) -> DatasetRow | None:
    return datasets.find(
        context.database, run_id=context.run.id, round_number=round_number, kind=kind
    )


def _recorded(context: RunContext, round_number: int, kind: CheckpointKind) -> CheckpointRow | None:
    return checkpoints.find(
        context.database, run_id=context.run.id, round_number=round_number, kind=kind
    )


def _policy_to_start_from(context: RunContext, round_number: int, start_from: StartFrom) -> Path:
    """The newest policy of the rounds before, where that is wanted and there; else the base."""
    newest = checkpoints.latest(
        context.database,
        run_id=context.run.id,
        before_round=round_number,
        kind=CheckpointKind.POLICY,
    )
    if start_from is StartFrom.PREVIOUS and newest is not None:
        return Path(newest.path)
    return Path(context.run.base_model)


def _fresh_folder(context: RunContext, round_number: int, kind: CheckpointKind) -> Path:
    folder = context.checkpoint_folder(round_number, kind.value)
    if folder.exists():
        shutil.rmtree(folder)
    folder.parent.mkdir(parents=True, exist_ok=True)
    return folder


def _show(bar: Bar, progress: TrainingProgress) -> None:
    note = f"loss {progress.loss:.3f}, {progress.tokens_per_second:.0f} tokens/s"
    bar.update(progress.step, total=progress.total_steps, note=note)
