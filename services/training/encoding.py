r"""Texts as tokens, cut where the search cuts them, and which of these tokens the policy wrote.

At inference the engine tokenises a prompt, which ends where a step begins, and the policy writes
the first token of the step after it. So a solution is tokenised segment by segment here, and a
token never reaches over the beginning of a step, which `tokenizer(prompt + completion)` would not
promise: a step that begins with `$` after `<answer>` gives one token `>$` in most vocabularies.
Both ways agree wherever no such token exists.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from services.steps import ANSWER, END_OF_ANSWER, END_OF_CODE, END_OF_OUTPUT, END_OF_STEP, OUTPUT

if TYPE_CHECKING:
    from collections.abc import Iterator

    from transformers import PreTrainedTokenizerBase

IGNORED = -100
"""The label of a token that the policy is not to learn."""

_SEGMENT = re.compile(
    rf"(?P<own>.*?(?:{END_OF_STEP}|{END_OF_CODE}|{END_OF_ANSWER}|\Z))"
    rf"(?P<host>(?<={END_OF_STEP})\n"
    rf"|(?<={END_OF_CODE})\n{OUTPUT}.*?{END_OF_OUTPUT}\n{ANSWER}|)",
    re.DOTALL,
)


@dataclass(frozen=True, slots=True)
class Segment:
    """A step's part of a completion, as `services.steps.segment` made it."""

    own: str
    """What the policy wrote, the step's ending included."""
    host: str
    """What the search added: the line break, the observation, the beginning of the answer."""


@dataclass(frozen=True, slots=True)
class EncodedSolution:
    """Tokens of a prompt and its completion; both lists have the same length."""

    input_ids: list[int]
    labels: list[int]
    """The token where the policy wrote it, `IGNORED` elsewhere."""

    def within(self, max_length: int) -> EncodedSolution:
        """The first `max_length` tokens."""
        return EncodedSolution(self.input_ids[:max_length], self.labels[:max_length])

    @property
    def teaches(self) -> bool:
        """Whether any token but the first, which nothing predicts, has a label."""
        return any(label != IGNORED for label in self.labels[1:])


def segments_of(completion: str) -> Iterator[Segment]:
    """The segments whose concatenation a completion is."""
    for found in _SEGMENT.finditer(completion):
        if found.group():
            yield Segment(found["own"], found["host"])


def encode_solution(
    tokenizer: PreTrainedTokenizerBase, *, prompt: str, completion: str
) -> EncodedSolution:
    """Tokenise a solution; an end-of-sequence token, to be learned, follows the last step.

    A token that holds both text of the policy and text of the host counts as the policy's, which
    has to write it before the host can go on.
    """
    input_ids: list[int] = list(tokenizer(prompt)["input_ids"])
    labels = [IGNORED] * len(input_ids)
    for segment in segments_of(completion):
        encoded = tokenizer(
            segment.own + segment.host, add_special_tokens=False, return_offsets_mapping=True
        )
        input_ids += encoded["input_ids"]
        labels += [
            token if start < len(segment.own) else IGNORED
            for token, (start, _) in zip(
                encoded["input_ids"], encoded["offset_mapping"], strict=True
            )
        ]
    end = tokenizer.eos_token_id
    return EncodedSolution([*input_ids, end], [*labels, end])
