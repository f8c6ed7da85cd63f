"""Scripted fakes keep the contract, and scripted arithmetic makes trees worth growing."""

from __future__ import annotations

import pytest

from db.vocabulary import StepKind
from services.errors import PolicyUnavailable
from services.inference.scripted import ScriptedPolicy, ScriptedPpm
from services.inference.scripted_arithmetic import find_sum, score_prefix, write_step
from services.steps import parse_step, root_prompt, segment

PROMPT = root_prompt("What is 17 + 25?")
NUMBERS = "# Step 1: Write down the numbers\nleft = 17\nright = 25\n<end_of_step>"
COMBINE = "# Step 2: Combine them\ntotal = left + right\n<end_of_step>"


async def test_a_table_says_what_follows_a_prompt() -> None:
    policy = ScriptedPolicy.from_table({"Q": ["a b", "c"]})
    made = await policy.propose("Q", count=3, seed=0, affinity=0)
    assert [(c.text, c.tokens) for c in made] == [("a b", 2), ("c", 1), ("a b", 2)]
    unknown = await policy.propose("R", count=1, seed=0, affinity=0)
    assert unknown[0].text == ""


async def test_the_first_calls_fail_as_often_as_the_script_says() -> None:
    policy = ScriptedPolicy(lambda *_: "x", failures=2)
    ppm = ScriptedPpm(lambda _: 0.0, failures=2)
    for _ in range(2):
        with pytest.raises(PolicyUnavailable):
            await policy.propose("Q", count=1, seed=0, affinity=0)
        with pytest.raises(PolicyUnavailable):
            await ppm.score(["Q"])
    assert len(await policy.propose("Q", count=1, seed=0, affinity=0)) == 1
    assert await ppm.score(["Q"]) == [0.0]
    assert (policy.calls, ppm.calls) == (3, 3)


async def test_scores_stay_in_their_range() -> None:
    assert await ScriptedPpm(lambda prompt: float(prompt)).score(["-7", "0.5", "7"]) == [
        -1.0,
        0.5,
        1.0,
    ]


def test_arithmetic_writes_right_wrong_and_formless_steps() -> None:
    texts = {write_step(PROMPT, index, seed=1) for index in range(40)}
    kinds = {parse_step(text, after=StepKind.ROOT).kind for text in texts}
    assert NUMBERS in texts
    assert len(texts) > 3
    assert kinds == {StepKind.CODE, StepKind.UNPARSABLE}
    assert texts == {write_step(PROMPT, index, seed=1) for index in range(40)}
    assert texts != {write_step(PROMPT, index, seed=2) for index in range(2)}


def test_arithmetic_reaches_an_answer_from_its_right_steps() -> None:
    prompt = PROMPT
    for text in (NUMBERS, COMBINE):
        assert text in {write_step(prompt, index, seed=3) for index in range(40)}
        prompt += segment(StepKind.CODE, text, observation="")
    final = next(
        text
        for index in range(40)
        if (text := write_step(prompt, index, seed=3)).endswith("<end_of_code>")
    )
    prompt += segment(StepKind.FINAL_CODE, final, observation="42")
    answer = parse_step(write_step(prompt, 0, seed=3), after=StepKind.FINAL_CODE)
    assert (answer.kind, answer.answer) == (StepKind.ANSWER, "42")


def test_arithmetic_scores_a_right_prefix_above_a_wrong_one() -> None:
    right = PROMPT + segment(StepKind.CODE, NUMBERS, observation="")
    wrong = right.replace("right = 25", "right = 26")
    longer = right + segment(StepKind.CODE, COMBINE, observation="")
    assert score_prefix(wrong) < 0 < score_prefix(PROMPT) < score_prefix(right)
    assert score_prefix(right) < score_prefix(longer)


@pytest.mark.parametrize(("question", "value"), [("6 * 7", 42), ("What is -3 - 4?", -7)])
def test_arithmetic_reads_the_operation_of_the_question(question: str, value: int) -> None:
    found = find_sum(root_prompt(question))
    assert found is not None
    assert found.value == value


def test_arithmetic_does_not_know_other_problems() -> None:
    text = write_step(root_prompt("Who are you?"), 0, seed=0)
    assert parse_step(text, after=StepKind.ROOT).kind is StepKind.UNPARSABLE
    assert score_prefix(root_prompt("Who are you?")) == 0.0
