"""Which tokens a policy learns, and where they are cut."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from db.vocabulary import StepKind
from services.steps import parse_step, root_prompt, segment
from services.training.encoding import IGNORED, encode_solution, segments_of
from tests.models import tiny_tokenizer
from tests.unit.training.examples import sum_completion

TOKENIZER = tiny_tokenizer()
PROMPT = root_prompt("1 + 2?")


def learned(completion: str) -> str:
    encoded = encode_solution(TOKENIZER, prompt=PROMPT, completion=completion)
    assert len(encoded.input_ids) == len(encoded.labels)
    return TOKENIZER.decode([label for label in encoded.labels if label != IGNORED])


def test_the_policy_learns_its_steps_and_the_end_but_no_word_of_the_host() -> None:
    assert learned(sum_completion(1, 2)) == (
        "# Step 1: add\nx = 1 + 2\n<end_of_step>"
        "# Now print\nprint(x)\n<end_of_code>"
        "The answer is \\boxed{3}<end_of_answer>"
        "<|endoftext|>"
    )


def test_all_of_a_solution_is_read() -> None:
    completion = sum_completion(1, 2)
    encoded = encode_solution(TOKENIZER, prompt=PROMPT, completion=completion)
    assert TOKENIZER.decode(encoded.input_ids) == PROMPT + completion + "<|endoftext|>"


def test_a_label_is_the_token_itself() -> None:
    encoded = encode_solution(TOKENIZER, prompt=PROMPT, completion=sum_completion(1, 2))
    for token, label in zip(encoded.input_ids, encoded.labels, strict=True):
        assert label in (token, IGNORED)


def test_every_prompt_of_the_search_is_a_prefix_of_the_tokens() -> None:
    completion = sum_completion(1, 2)
    encoded = encode_solution(TOKENIZER, prompt=PROMPT, completion=completion)
    prompt = PROMPT
    for part in segments_of(completion):
        prompt += part.own + part.host
        tokens = TOKENIZER(prompt)["input_ids"]
        assert encoded.input_ids[: len(tokens)] == tokens


def test_a_solution_that_was_cut_short_still_teaches_what_is_left() -> None:
    assert learned("x = 1\n<end_of_step>\ny = ") == "x = 1\n<end_of_step>y = <|endoftext|>"


def test_a_solution_cut_within_the_prompt_teaches_nothing() -> None:
    encoded = encode_solution(TOKENIZER, prompt=PROMPT, completion=sum_completion(1, 2))
    assert encoded.teaches
    assert not encoded.within(5).teaches
    assert len(encoded.within(5).input_ids) == len(encoded.within(5).labels) == 5


_PIECES = [*"ab \n<>$_", "<output>", "<end_of_output>\n<answer>"]
_TEXTS = st.lists(st.sampled_from(_PIECES)).map("".join)
_OBSERVATIONS = st.text(st.sampled_from(list("12 \n<>$")))


@given(st.lists(_TEXTS, max_size=3), _TEXTS, _OBSERVATIONS, _TEXTS)
def test_segments_are_told_apart_whatever_a_step_says(
    codes: list[str], final: str, observation: str, answer: str
) -> None:
    steps = [
        *((parse_step(f"{code}<end_of_step>", after=StepKind.CODE), "") for code in codes),
        (parse_step(f"{final}<end_of_code>", after=StepKind.CODE), observation),
        (parse_step(f"{answer}\\boxed{{1}}<end_of_answer>", after=StepKind.FINAL_CODE), ""),
    ]
    steps = [(step, seen) for step, seen in steps if step.kind is not StepKind.UNPARSABLE]
    texts = [segment(step.kind, step.text, seen) for step, seen in steps]
    found = list(segments_of("".join(texts)))
    assert [part.own + part.host for part in found] == texts
    assert [part.own for part in found] == [step.text for step, _ in steps]


def test_a_completion_without_steps_ends_at_once() -> None:
    assert learned("") == "<|endoftext|>"
