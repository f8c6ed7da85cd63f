"""Real problems through the real sandbox and grader: what converts also runs and is right."""

from collections.abc import Sequence
from pathlib import Path

import pytest

from services.grading.process import ProcessGrader
from services.problems.bootstrap_set import Draft, VerifiedSolution, verify
from services.problems.importing import prepare
from services.problems.records import ProblemRecord
from services.problems.reference_solutions import convert
from services.problems.sources import read_source
from services.sandbox.local import LocalSandbox


def converted(records: Sequence[ProblemRecord]) -> list[Draft]:
    drafts = []
    for number, record in enumerate(records):
        solution = convert(record.question, record.answer or "", record.solution or "")
        if solution is not None:
            drafts.append(Draft(number, record.question, record.answer or "", solution))
    return drafts


async def verified(drafts: Sequence[Draft]) -> list[VerifiedSolution]:
    sandbox = LocalSandbox(allow_unisolated=True)
    await sandbox.start()
    try:
        async with ProcessGrader() as grader:
            return await verify(
                drafts, sandbox=sandbox, grader=grader, progress=lambda done, total: None
            )
    finally:
        await sandbox.close()


async def test_what_converts_of_the_gym_runs_and_gives_the_answer() -> None:
    records = list(read_source("gym:gsm_symbolic", limit=200, seed=11, mapping={}))
    drafts = converted(records)
    assert len(drafts) >= 0.85 * len(records)
    assert [s.problem_id for s in await verified(drafts)] == [d.problem_id for d in drafts]


async def test_what_converts_of_gsm8k_runs_and_gives_the_answer(shared_data: Path) -> None:
    source = str(shared_data / "gsm8k_train.jsonl")
    records = list(read_source(source, limit=150, seed=0, mapping={}))
    drafts = converted(records)
    assert len(drafts) >= 0.8 * len(records)
    assert [s.problem_id for s in await verified(drafts)] == [d.problem_id for d in drafts]


@pytest.mark.parametrize(
    ("name", "problems"),
    [("gsm8k_train.jsonl", 7473), ("gsm8k_test.jsonl", 1319), ("math500.jsonl", 500)],
)
async def test_public_sets_are_planned_whole(shared_data: Path, name: str, problems: int) -> None:
    async with ProcessGrader() as grader:
        plan = await prepare(
            read_source(str(shared_data / name), limit=None, seed=0, mapping={}), grader=grader
        )
    assert len(plan.records) + len(plan.duplicates) == problems
