"""The bootstrap set holds only solutions whose code ran and printed the right answer."""

import pytest

from db.vocabulary import StepKind
from services.errors import SandboxUnavailable
from services.grading.plain import PlainGrader
from services.problems.bootstrap_set import Draft, VerifiedSolution, verify
from services.problems.reference_solutions import DraftSolution
from tests.unit.problems.sandboxes import SubprocessSandbox


def a_draft(*steps: str, answer: str = "12", problem_id: int = 1) -> Draft:
    return Draft(problem_id, "What is 3 times 4?", answer, DraftSolution(steps))


GOOD = a_draft("# Step 1\na = 3 * 4", "# Now print the final answer\nprint(a)")


async def verified(
    *drafts: Draft, sandbox: SubprocessSandbox | None = None
) -> list[VerifiedSolution]:
    return await verify(
        drafts,
        sandbox=sandbox or SubprocessSandbox(),
        grader=PlainGrader(),
        progress=lambda done, total: None,
    )


async def test_a_draft_that_prints_the_answer_is_kept_with_its_whole_text() -> None:
    [solution] = await verified(GOOD)
    assert solution.problem_id == 1
    assert solution.prompt + solution.completion == (
        "<|user|>:\nWhat is 3 times 4?\n"
        "<|assistant|>: Let's think step by step and solve the problem with code.\n<code>\n"
        "# Step 1\na = 3 * 4\n<end_of_step>\n"
        "# Now print the final answer\nprint(a)\n<end_of_code>\n"
        "<output>12<end_of_output>\n<answer>The answer is \\boxed{12}<end_of_answer>"
    )
    assert [step.kind for step in solution.steps] == [
        StepKind.CODE,
        StepKind.FINAL_CODE,
        StepKind.ANSWER,
    ]
    assert [step.observation for step in solution.steps] == ["", "12", ""]


@pytest.mark.parametrize(
    "draft",
    [
        a_draft("a = 3 + 4", "print(a)"),
        a_draft("a = 3 / 0", "print(12)"),
        a_draft("a = 12", "print(b)"),
        a_draft("a = 12", "b = a"),
    ],
    ids=["wrong answer", "a step raises", "the last step raises", "nothing is printed"],
)
async def test_a_draft_that_does_not_give_the_answer_is_left_out(draft: Draft) -> None:
    assert await verified(draft) == []


async def test_order_and_progress_are_kept_over_many_drafts() -> None:
    drafts = [a_draft(f"print({k})", answer=str(k), problem_id=k) for k in range(40)]
    drafts[7] = a_draft("print(0)", answer="7", problem_id=7)
    told: list[tuple[int, int]] = []
    solutions = await verify(
        drafts,
        sandbox=SubprocessSandbox(),
        grader=PlainGrader(),
        progress=lambda *t: told.append(t),
    )
    assert [s.problem_id for s in solutions] == [k for k in range(40) if k != 7]
    assert told == [(k, 40) for k in range(1, 41)]


async def test_a_sandbox_outage_is_raised_and_leaves_no_session_open() -> None:
    sandbox = SubprocessSandbox(fails=True)
    with pytest.raises(SandboxUnavailable):
        await verified(*[GOOD] * 20, sandbox=sandbox)
    assert sandbox.open_sessions == 0


async def test_no_drafts_give_no_solutions() -> None:
    assert await verified() == []
