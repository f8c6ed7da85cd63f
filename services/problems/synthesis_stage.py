"""Problem synthesis for a run: which models write and solve, and what is dropped later."""

from __future__ import annotations

import asyncio
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

from db.queries import checkpoints, synthesis
from db.vocabulary import CheckpointKind
from services import reporting
from services.errors import ConfigurationError
from services.inference.client import HttpPolicy
from services.problems.synthesis import Rule, Workshop, synthesise
from services.profiles import Sampling, SearchProfile
from services.rollouts.equipment import open_equipment

if TYPE_CHECKING:
    from collections.abc import Sequence

    from db.records.problems import ProblemRow
    from db.records.synthesis import DraftCount
    from db.vocabulary import DraftStatus
    from services.stages import RunContext

LEAST_CORRECT_SHARE = 0.5
"""Synthetic problems whose trajectories are correct less often are dropped (rStar-Math 4.1)."""
MOST_QUESTION_TOKENS = 256


@dataclass(frozen=True, slots=True)
class Wanted:
    """A batch of synthetic problems."""

    count: int
    seed: int
    writer: str
    """A model of the policy's servers; empty: the bootstrap endpoint's, else the base model."""
    temperature: float
    rule: Rule


def synthesise_stage(context: RunContext, wanted: Wanted) -> list[DraftCount]:
    """Write and judge the drafts of a batch that are not there yet. Returns the fates of all.

    Raises:
        ConfigurationError: the run has no problem to start from, or no policy to solve with.
        InfrastructureError: an engine failed; run it again, it goes on from there.
    """
    seeds = synthesis.seed_problems(context.database, context.run.id)
    if not seeds:
        raise ConfigurationError(
            f"Run {context.run.name} has no training problem to write others from. Import some "
            "into a run first."
        )
    context.engines.start_model_server()
    asyncio.run(_synthesise(context, wanted, seeds))
    return synthesis.counts(context.database, context.run.id, wanted.seed)


def drop_stage(context: RunContext) -> None:
    """Drop the run's synthetic problems that its searches cast doubt on."""
    for dropped in synthesis.drop_doubtful(
        context.database, context.run.id, least_share=LEAST_CORRECT_SHARE
    ):
        reporting.current().say(
            f"synthetic problem {dropped.problem_id} is dropped: {dropped.correct_share:.0%} of "
            "its trajectories are correct"
        )


async def _synthesise(context: RunContext, wanted: Wanted, seeds: Sequence[ProblemRow]) -> None:
    settings = context.engines.service_settings()
    solver = _solver(context)
    search = context.round_profile(1).search
    sampling = search.sampling.model_copy(update={"temperature": wanted.temperature})
    endpoint = bool(settings.bootstrap_url) and not wanted.writer
    writer_name = wanted.writer or settings.bootstrap_model or context.run.base_model
    writer = HttpPolicy(
        (settings.bootstrap_url if endpoint else settings.policy_url).split(","),
        model=writer_name,
        sampling=Sampling(temperature=wanted.temperature, max_step_tokens=MOST_QUESTION_TOKENS),
        api_key=settings.api_key,
    )
    fates: Counter[DraftStatus] = Counter()
    try:
        async with open_equipment(
            settings, policy=solver, ppm=None, sampling=sampling
        ) as equipment:
            workshop = Workshop(
                database=context.database,
                run_id=context.run.id,
                run_name=context.run.name,
                writer=writer,
                writer_name=writer_name,
                equipment=equipment,
                solver_name=solver or settings.bootstrap_model,
                profile=SearchProfile(
                    rollouts=1, candidates=1, max_depth=search.max_depth, sampling=sampling
                ),
                rule=wanted.rule,
            )
            with reporting.current().bar("Writing problems", wanted.count) as bar:

                def progress(fate: DraftStatus) -> None:
                    fates[fate] += 1
                    note = ", ".join(f"{n} {name.value}" for name, n in fates.items())
                    bar.update(fates.total(), note=note)

                await synthesise(
                    workshop,
                    seeds,
                    count=wanted.count,
                    batch_seed=wanted.seed,
                    progress=progress,
                )
    finally:
        await writer.close()


def _solver(context: RunContext) -> str | None:
    """The newest policy of the run; None for the bootstrap endpoint's model."""
    rounds = len(context.profile.rounds)
    newest = checkpoints.latest(
        context.database,
        run_id=context.run.id,
        before_round=rounds + 1,
        kind=CheckpointKind.POLICY,
    )
    if newest is None and not context.settings.bootstrap_url:
        raise ConfigurationError(
            f"Run {context.run.name} has no policy to solve new problems with. Run `stepforge "
            f"bootstrap {context.run.name}`, or set STEPFORGE_BOOTSTRAP_URL."
        )
    return newest.path if newest else None
