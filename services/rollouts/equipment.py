"""The engines of one round's searches, opened from settings and closed together."""

from __future__ import annotations

from contextlib import AsyncExitStack, asynccontextmanager
from typing import TYPE_CHECKING

from services.grading.process import ProcessGrader
from services.inference.client import HttpPolicy, HttpPpm
from services.inference.few_shot import FEW_SHOT_PREFIX
from services.profiles import Actions
from services.rollouts.engine import Equipment
from services.rollouts.sandboxes import open_sandbox

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from services.config import Settings
    from services.profiles import Sampling


@asynccontextmanager
async def open_equipment(
    settings: Settings,
    *,
    policy: str | None,
    ppm: str | None,
    sampling: Sampling,
    actions: Actions = Actions.CODE_STEP,
    ppm_scale: float = 1.0,
) -> AsyncIterator[Equipment]:
    """`policy` and `ppm` are checkpoint folders.

    No policy means the bootstrap endpoint's model, with few-shot prompts of the code-augmented step
    (actions in words bring their own); no PPM means no priors.

    Raises:
        SandboxUnavailable, GraderUnavailable: an engine could not be opened.
    """
    async with AsyncExitStack() as stack:
        if policy is None:
            client = HttpPolicy(
                [settings.bootstrap_url],
                model=settings.bootstrap_model,
                sampling=sampling,
                api_key=settings.api_key,
                prompt_prefix=FEW_SHOT_PREFIX if actions is Actions.CODE_STEP else "",
                setting="STEPFORGE_BOOTSTRAP_URL",
            )
        else:
            client = HttpPolicy(
                settings.policy_url.split(","),
                model=policy,
                sampling=sampling,
                api_key=settings.api_key,
            )
        stack.push_async_callback(client.close)
        value = None
        if ppm is not None:
            value = HttpPpm(
                settings.ppm_url.split(","), model=ppm, api_key=settings.api_key, scale=ppm_scale
            )
            stack.push_async_callback(value.close)
        sandbox = await open_sandbox(settings)
        stack.push_async_callback(sandbox.close)
        grader = ProcessGrader()
        stack.push_async_callback(grader.close)
        yield Equipment(policy=client, value=value, sandbox=sandbox, grader=grader)
