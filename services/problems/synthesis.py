"""New problems from old ones: a model writes them, a policy's solutions give them their answer.

A draft is kept if enough of its solutions agree on an answer that can be graded; that answer is
then its ground truth (rStar-Math, arXiv 2501.04519, section 4.1: at least 3 of 10). Held-out
problems are never shown to the writer. What is written and solved is a function of the batch's seed
and the draft's number, and a draft is stored once it is judged, so that a batch can be stopped
anywhere and run again; of equal questions the one judged first is kept.
"""

from __future__ import annotations

import asyncio
import logging
from dataclasses import dataclass
from random import Random
from typing import TYPE_CHECKING

from db.queries import problems, synthesis
from db.records.synthesis import DraftRecord
from db.vocabulary import DraftStatus
from services.errors import PromptTooLong
from services.grading.classes import answer_classes
from services.problems.records import content_hash
from services.problems.synthesis_prompt import PROMPT_VERSION, read_question, synthesis_prompt
from services.rollouts.single import answer_of, solve_once
from services.search.expansion import expansion_seed

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from db.records.problems import ProblemRow
    from db.session import Database
    from services.profiles import SearchProfile
    from services.rollouts.engine import Equipment
    from services.search.protocols import Policy

logger = logging.getLogger(__name__)

SHOWN = 3
"""Seed problems in a writer's prompt."""


@dataclass(frozen=True, slots=True)
class Rule:
    """When a draft is kept."""

    solutions: int = 10
    least_agreeing: int = 3


@dataclass(frozen=True, slots=True)
class Workshop:
    """Who writes problems, who solves them, and how."""

    database: Database
    run_id: int
    run_name: str
    writer: Policy
    writer_name: str
    equipment: Equipment
    """Its policy solves the drafts."""
    solver_name: str
    profile: SearchProfile
    """Of one solution: one rollout, one candidate, sampled with temperature."""
    rule: Rule = Rule()
    drafts_in_flight: int = 8


async def synthesise(
    workshop: Workshop,
    seeds: Sequence[ProblemRow],
    *,
    count: int,
    batch_seed: int,
    progress: Callable[[DraftStatus], None],
) -> None:
    """Write and judge the drafts of a batch that are not stored yet.

    `progress` is told the fate of each.

    Raises:
        InfrastructureError: an engine failed; drafts that were judged are stored.
    """
    there = synthesis.recorded(workshop.database, workshop.run_id, batch_seed)
    waiting = iter([number for number in range(count) if number not in there])

    async def work() -> None:
        for number in waiting:
            draft = await _draft(workshop, seeds, number=number, batch_seed=batch_seed)
            progress(await asyncio.to_thread(_store, workshop, draft))

    try:
        async with asyncio.TaskGroup() as group:
            for _ in range(workshop.drafts_in_flight):
                group.create_task(work())
    except BaseExceptionGroup as failures:
        raise failures.exceptions[0] from None


async def _draft(
    workshop: Workshop, seeds: Sequence[ProblemRow], *, number: int, batch_seed: int
) -> DraftRecord:
    """Write one problem and judge it."""
    chance = Random(f"{batch_seed}/{number}")  # noqa: S311
    shown = chance.sample(list(seeds), k=min(SHOWN, len(seeds)))
    seed = expansion_seed(batch_seed, number, "write")
    question = await _write(workshop, shown, seed=seed, affinity=number)
    draft = DraftRecord(
        run_id=workshop.run_id,
        batch_seed=batch_seed,
        draft_no=number,
        status=DraftStatus.UNREADABLE if question is None else DraftStatus.DUPLICATE,
        seed_problem_ids=tuple(problem.id for problem in shown),
        writer=workshop.writer_name,
        prompt_version=PROMPT_VERSION,
        sampling_seed=seed,
        question=question,
    )
    if question is None or await asyncio.to_thread(
        problems.is_stored, workshop.database, content_hash(question)
    ):
        return draft
    return await _solve(workshop, draft, question)


async def _write(
    workshop: Workshop, shown: Sequence[ProblemRow], *, seed: int, affinity: int
) -> str | None:
    """A question after examples; None where none was written, or the examples are too long."""
    try:
        written = await workshop.writer.propose(
            synthesis_prompt([problem.question for problem in shown]),
            count=1,
            seed=seed,
            affinity=affinity,
        )
    except PromptTooLong as error:
        numbers = ", ".join(str(problem.id) for problem in shown)
        logger.warning("No draft after problems %s: %s", numbers, error)
        return None
    return read_question(written[0].text)


async def _solve(workshop: Workshop, draft: DraftRecord, question: str) -> DraftRecord:
    """Sample the solutions of a draft and look whether enough of them agree."""
    trees = await asyncio.gather(
        *(
            solve_once(
                workshop.equipment,
                question,
                profile=workshop.profile,
                seed=expansion_seed(draft.sampling_seed, number, "solve"),
                affinity=draft.draft_no,
            )
            for number in range(workshop.rule.solutions)
        )
    )
    ends = [answer_of(tree) for tree in trees]
    grader = workshop.equipment.grader
    classes = await answer_classes([end.answer for end in ends if end is not None], grader)
    agreeing = len(classes[0].answers) if classes else 0
    answer = classes[0].answer if classes else None
    kept = (
        answer is not None
        and agreeing >= workshop.rule.least_agreeing
        and await grader.is_gradable(answer)
    )
    return draft.solved(
        DraftStatus.KEPT if kept else DraftStatus.DISAGREED,
        solver=workshop.solver_name,
        solutions=workshop.rule.solutions,
        agreeing=agreeing,
        answer=answer,
    )


def _store(workshop: Workshop, draft: DraftRecord) -> DraftStatus:
    return synthesis.record(
        workshop.database,
        draft,
        source=f"synthetic:{workshop.run_name}",
        content_hash=content_hash(draft.question) if draft.question else b"",
    )
