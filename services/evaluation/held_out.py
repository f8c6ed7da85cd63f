"""Greedy pass@1 on the held-out problems: one candidate a step, no tree, steps executed as ever.

It is a search with one rollout and one candidate at temperature 0, so evaluation and data
generation share every line that reads, runs and grades a step.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from db.queries import checkpoints, problems
from db.records.checkpoints import AnswerRecord
from db.vocabulary import CheckpointKind, Split, TerminalReason
from services import reporting
from services.profiles import Sampling, SearchProfile
from services.rollouts.equipment import open_equipment
from services.search.grow import grow
from services.search.protocols import Assignment, Collaborators
from services.search.tree import Tree
from services.steps import root_prompt

if TYPE_CHECKING:
    from collections.abc import Sequence

    from db.records.problems import ProblemRow
    from services.profiles import EvaluationProfile
    from services.reporting import Bar
    from services.rollouts.engine import Equipment
    from services.stages import RunContext

BENCHMARK = "held_out"
METRIC = "pass@1"


def evaluate_stage(context: RunContext, round_number: int) -> None:
    """Evaluate the policy that a round trained, unless it was evaluated or there is none."""
    database = context.database
    checkpoint = checkpoints.find(
        database, run_id=context.run.id, round_number=round_number, kind=CheckpointKind.POLICY
    )
    if checkpoint is None:
        reporting.current().say("this round trained no policy; nothing to evaluate")
        return
    if checkpoints.is_evaluated(database, checkpoint.id, benchmark=BENCHMARK, metric=METRIC):
        return
    held_out = problems.of_run(database, context.run.id, Split.HELD_OUT)
    if not held_out:
        reporting.current().say("no problem is held out; nothing to evaluate")
        return
    context.engines.start_model_server()
    answers = asyncio.run(
        _answer_all(context, checkpoint.path, held_out[: context.profile.evaluation.max_problems])
    )
    checkpoints.record_evaluation(
        database, checkpoint.id, benchmark=BENCHMARK, metric=METRIC, answers=answers
    )


async def _answer_all(
    context: RunContext, policy: str, held_out: Sequence[ProblemRow]
) -> list[AnswerRecord]:
    profile = context.profile.evaluation
    sampling = Sampling(temperature=0, max_step_tokens=profile.max_step_tokens)
    settings = context.engines.service_settings()
    with reporting.current().bar("Evaluating the policy", len(held_out)) as bar:
        async with open_equipment(
            settings, policy=policy, ppm=None, sampling=sampling
        ) as equipment:
            return await answer_greedily(equipment, held_out, profile=profile, bar=bar)


async def answer_greedily(
    equipment: Equipment, held_out: Sequence[ProblemRow], *, profile: EvaluationProfile, bar: Bar
) -> list[AnswerRecord]:
    """One greedy solution for each problem, in their order.

    Raises:
        InfrastructureError: an engine failed; nothing is known about the policy then.
    """
    done = 0

    async def answered(problem: ProblemRow) -> AnswerRecord:
        nonlocal done
        answer = await _answer(equipment, problem, profile)
        done += 1
        bar.update(done)
        return answer

    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(answered(problem)) for problem in held_out]
    return [task.result() for task in tasks]


async def _answer(
    equipment: Equipment, problem: ProblemRow, profile: EvaluationProfile
) -> AnswerRecord:
    greedy = SearchProfile(
        rollouts=1,
        candidates=1,
        max_depth=profile.max_depth,
        sampling=Sampling(temperature=0, max_step_tokens=profile.max_step_tokens),
    )
    tree = Tree(problem.question)
    session = await equipment.sandbox.open_session()
    try:
        await grow(
            tree,
            Assignment(greedy, seed=0, truth=problem.answer or "", affinity=problem.id),
            Collaborators(equipment.policy, executor=session, grader=equipment.grader),
        )
    finally:
        await session.close()
    last = tree.nodes[-1]
    ended = last.terminal_reason is TerminalReason.ANSWER
    return AnswerRecord(
        problem_id=problem.id,
        verdict=last.verdict if ended else None,
        completion=tree.prompt(last).removeprefix(root_prompt(problem.question)),
    )
