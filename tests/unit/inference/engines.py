"""Shorthand for running jobs through an engine to the end."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from services.inference.local_engine import EngineLimits, LocalEngine
from services.inference.local_jobs import (
    Generation,
    GenerationJob,
    GenerationOptions,
    Job,
    ScoringJob,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    import transformers

    from services.inference.local_model import LocalModel

GREEDY = GenerationOptions(temperature=0, max_tokens=24)
STORIES = (
    "Tom has 12 apples and gives 5 away. How many are left?",
    "A train runs 60 miles an hour.",
    "Tom has 12 apples and gives 5 away. Then he buys 40 more at the market on Sunday.",
    "x",
)


def finish(engine: LocalEngine, jobs: Sequence[Job]) -> None:
    """Run jobs that are submitted together."""
    for job in jobs:
        engine.submit(job)
    while engine.busy:
        engine.step()


def generate(
    model: LocalModel,
    prompts: Sequence[str],
    options: GenerationOptions = GREEDY,
    *,
    limits: EngineLimits | None = None,
) -> list[Generation]:
    """What a fresh engine answers to prompts that come at once."""
    jobs = [GenerationJob(prompt, options) for prompt in prompts]
    finish(LocalEngine(model, limits), jobs)
    return [job.future.result(timeout=0) for job in jobs]


def scores(engine: LocalEngine, prompts: Sequence[str]) -> list[float]:
    """Raw scores of texts that come at once."""
    jobs = [ScoringJob(prompt) for prompt in prompts]
    finish(engine, jobs)
    return [job.future.result(timeout=0).value for job in jobs]


def greedy_tokens(
    reference: transformers.PreTrainedModel, prompt: Sequence[int], *, count: int
) -> tuple[int, ...]:
    """What transformers' own greedy decoding writes after a prompt."""
    inputs = torch.tensor([list(prompt)])
    output = reference.generate(
        inputs, attention_mask=torch.ones_like(inputs), max_new_tokens=count, do_sample=False
    )
    return tuple(output[0, inputs.shape[1] :].tolist())
