"""The bootstrap set: drafts whose code was run step by step and printed the right answer.

A draft enters only if every step ran in the sandbox and its observation grades equal to the
problem's answer. A draft that fails is left out; a sandbox or grader that fails raises.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING

from db.vocabulary import Outcome, Verdict
from services.problems.reference_solutions import completion, render
from services.sandbox.base import ROOT_STATE
from services.steps import root_prompt, shown_observation

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from services.grading.base import Grader
    from services.problems.reference_solutions import DraftSolution, SolutionStep
    from services.sandbox.base import SandboxProvider, SandboxSession

_SESSIONS = 16
"""Drafts that are run at a time."""


@dataclass(frozen=True, slots=True)
class Draft:
    """A problem and the steps that its reference solution was converted to."""

    problem_id: int
    question: str
    answer: str
    solution: DraftSolution


@dataclass(frozen=True, slots=True)
class VerifiedSolution:
    """A training example: `prompt` + `completion` is the whole text the policy learns."""

    problem_id: int
    question: str
    prompt: str
    completion: str
    steps: tuple[SolutionStep, ...]


async def verify(
    drafts: Sequence[Draft],
    *,
    sandbox: SandboxProvider,
    grader: Grader,
    progress: Callable[[int, int], None],
) -> list[VerifiedSolution]:
    """Run every draft and keep, in order, those that print the right answer.

    Args:
        sandbox: a provider that was started.
        progress: called with the drafts done and their total after each one.

    Raises:
        SandboxUnavailable, GraderUnavailable: of the engine; says nothing about the drafts.
    """
    verified: list[VerifiedSolution | None] = [None] * len(drafts)
    waiting = iter(enumerate(drafts))
    done = 0

    async def work() -> None:
        nonlocal done
        for index, draft in waiting:
            verified[index] = await _verify_one(draft, sandbox, grader)
            done += 1
            progress(done, len(drafts))

    try:
        async with asyncio.TaskGroup() as group:
            for _ in range(min(_SESSIONS, len(drafts))):
                group.create_task(work())
    except BaseExceptionGroup as failures:
        raise failures.exceptions[0] from None
    return [solution for solution in verified if solution is not None]


async def _verify_one(
    draft: Draft, sandbox: SandboxProvider, grader: Grader
) -> VerifiedSolution | None:
    session = await sandbox.open_session()
    try:
        observation = await _run(draft.solution, session)
    finally:
        await session.close()
    if not observation:
        return None
    if await grader.grade(observation, truth=draft.answer) is not Verdict.EQUAL:
        return None
    steps = render(draft.solution, observation)
    return VerifiedSolution(
        draft.problem_id, draft.question, root_prompt(draft.question), completion(steps), steps
    )


async def _run(solution: DraftSolution, session: SandboxSession) -> str:
    """The observation of the last step, empty where a step did not run to its end."""
    state, observation = ROOT_STATE, ""
    for code in solution.steps:
        state, execution = await session.execute(code, parent=state)
        if execution.outcome is not Outcome.OK:
            return ""
        observation = shown_observation(execution.observation)
    return observation
