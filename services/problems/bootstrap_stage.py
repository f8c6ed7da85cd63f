"""The bootstrap: a first training set of code-augmented solutions that ran and gave the answer."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from db.queries import datasets, problems
from db.records.datasets import DatasetItemRecord
from db.vocabulary import DatasetKind, Split
from services import reporting
from services.errors import DatasetEmpty
from services.grading.process import ProcessGrader
from services.problems.bootstrap_set import Draft, VerifiedSolution, verify
from services.problems.reference_solutions import convert
from services.rollouts.sandboxes import open_sandbox
from services.stages import BOOTSTRAP_ROUND

if TYPE_CHECKING:
    from collections.abc import Sequence

    from db.records.problems import ProblemRow
    from services.config import Settings
    from services.stages import RunContext


def has_endpoint(context: RunContext) -> bool:
    """Whether a stronger model's endpoint is the bootstrap policy, so that none is trained."""
    return bool(context.settings.bootstrap_url)


def bootstrap_stage(context: RunContext) -> None:
    """Convert reference solutions, keep those that run and give the answer, make a version.

    Problems that no round searches come first, so that the searches are on unseen problems as far
    as there are enough others.

    Raises:
        DatasetEmpty: no solution could be converted; says what a source must offer.
    """
    database, run_id = context.database, context.run.id
    there = datasets.find(
        database, run_id=run_id, round_number=BOOTSTRAP_ROUND, kind=DatasetKind.SFT
    )
    if there is not None:
        return
    training = problems.of_run(database, run_id, Split.TRAIN)
    searched = context.profile.problems_per_round
    drafts = drafts_of([*training[searched:], *training[:searched]])
    most = context.profile.bootstrap.max_examples
    verified = asyncio.run(_verify(context.settings, drafts[: most + most // 4]))[:most]
    if not verified:
        raise DatasetEmpty(
            f"Run {context.run.name}: none of its {len(training)} training problems has a "
            "reference solution that converts to code. Give problems with a `solution` field of "
            "worked equations, or set STEPFORGE_BOOTSTRAP_URL to a stronger model's server."
        )
    datasets.create(
        database,
        run_id=run_id,
        round_number=BOOTSTRAP_ROUND,
        kind=DatasetKind.SFT,
        spec=context.profile.bootstrap.model_dump(mode="json"),
        items=[
            DatasetItemRecord(
                problem_id=solution.problem_id,
                group_key=f"problem {solution.problem_id}",
                prompt=solution.prompt,
                chosen=solution.completion,
            )
            for solution in verified
        ],
    )
    reporting.current().say(
        f"{len(verified)} reference solutions ran as code and gave their answer"
    )


def drafts_of(candidates: Sequence[ProblemRow]) -> list[Draft]:
    """The problems whose reference solution converts, in the same order."""
    drafts = []
    for problem in candidates:
        if problem.solution is None or problem.answer is None:
            continue
        solution = convert(problem.question, problem.answer, problem.solution)
        if solution is not None:
            drafts.append(Draft(problem.id, problem.question, problem.answer, solution))
    return drafts


async def _verify(settings: Settings, drafts: Sequence[Draft]) -> list[VerifiedSolution]:
    sandbox = await open_sandbox(settings)
    grader = ProcessGrader()
    try:
        with reporting.current().bar("Running the solutions", len(drafts)) as bar:
            return await verify(
                drafts,
                sandbox=sandbox,
                grader=grader,
                progress=lambda done, total: bar.update(done, total=total),
            )
    finally:
        await grader.close()
        await sandbox.close()
