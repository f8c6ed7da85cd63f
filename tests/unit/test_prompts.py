"""No text that a model is shown by us is a benchmark's question, in its words or nearly so."""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
import reasoning_gym
from rapidfuzz import fuzz, process

import services
from services.config import REPOSITORY
from services.inference.few_shot import EXAMPLES, FEW_SHOT_PREFIX
from services.problems.sources import MADE_OF_A_BENCHMARK
from services.problems.synthesis_prompt import synthesis_prompt
from services.search import words_examples
from tests import fingerprints

COPY = 0.25
"""Share of known runs of words above which a text is a copy. Of the questions of GSM8K's training
set, which the same people wrote, 1 in 200 is above it; our own texts are at 0.11 at most."""
NEARLY = 80
"""Likeness of word sets (rapidfuzz, numbers masked) above which a question is a benchmark's."""

FLIPPED_HOUSE = (
    "Josh buys a house for $80,000 and puts in $50,000 in repairs. This increased the value of the "
    "house by 150%. How much profit did he make?"
)
"""A question of GSM8K's test set as it once stood among the examples, somewhat shortened."""


def literals() -> Iterator[tuple[str, str]]:
    """Every text in the code, prompt or not: there is no list of prompts to forget one in."""
    for path in sorted(Path(services.__file__).parent.rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Constant) and isinstance(node.value, str):
                yield f"{path.name}:{node.lineno}", node.value


def assembled() -> Iterator[tuple[str, str]]:
    """Prompts as they are put together from several texts."""
    yield "few-shot examples", FEW_SHOT_PREFIX
    yield "synthesis", synthesis_prompt(["What is 2 + 2?"])
    for name, value in vars(words_examples).items():
        if isinstance(value, str) and not name.startswith("__"):
            yield f"words_examples.{name}", value


def masked(text: str) -> str:
    return re.sub(r"\d[\d.,]*", "#", text.lower())


@pytest.fixture(scope="module")
def known() -> frozenset[bytes]:
    return fingerprints.known()


def test_no_text_in_the_code_is_a_copy_of_a_benchmark_question(known: frozenset[bytes]) -> None:
    texts = [*literals(), *assembled()]
    assert any("A rain barrel holds" in text for _, text in texts)
    copies = [where for where, text in texts if fingerprints.overlap(text, known) > COPY]
    assert copies == []


@pytest.mark.parametrize(
    "copy",
    [
        FLIPPED_HOUSE,
        FLIPPED_HOUSE.replace("80,000", "120,000").replace("50,000", "7").upper(),
        f"{FEW_SHOT_PREFIX}{FLIPPED_HOUSE}{FEW_SHOT_PREFIX}",
    ],
)
def test_a_copy_is_found_with_other_numbers_and_within_other_text(
    known: frozenset[bytes], copy: str
) -> None:
    assert fingerprints.overlap(copy, known) > COPY


def test_the_fingerprints_are_those_of_the_benchmarks(shared_data: Path) -> None:
    paths = [shared_data / name for name in fingerprints.BENCHMARKS]
    assert fingerprints.packed(paths) == fingerprints.FILE.read_bytes()


def test_no_question_of_ours_is_nearly_a_benchmark_question(shared_data: Path) -> None:
    benchmark = [
        masked(json.loads(line)["question"])
        for name in fingerprints.BENCHMARKS
        for line in (shared_data / name).read_text(encoding="utf-8").splitlines()
    ]

    def likeness(question: str) -> float:
        _, score, _ = process.extractOne(masked(question), benchmark, scorer=fuzz.token_set_ratio)
        return float(score)

    assert likeness(FLIPPED_HOUSE) > NEARLY
    ours = [example.question for example in EXAMPLES]
    ours += re.findall(r"Question: (.+)", "".join(text for _, text in assembled()))
    assert len(ours) > len(EXAMPLES)
    assert [question for question in ours if likeness(question) > NEARLY] == []


def test_a_generated_source_that_repeats_a_benchmark_is_named_as_one(
    known: frozenset[bytes],
) -> None:
    """Every source that a profile of ours or the README names."""
    texts = [path.read_text(encoding="utf-8") for path in (REPOSITORY / "deploy").rglob("*.toml")]
    texts.append((REPOSITORY / "README.md").read_text(encoding="utf-8"))
    names = set(re.findall(r"gym:(\w+)", "".join(texts)))
    repeating = set()
    for name in names:
        entries = reasoning_gym.create_dataset(name, size=100, seed=1)
        copies = [fingerprints.overlap(entry["question"], known) > COPY for entry in entries]
        if sum(copies) > len(copies) / 20:
            repeating.add(f"gym:{name}")
    assert repeating == set(MADE_OF_A_BENCHMARK) & {f"gym:{name}" for name in names}
    assert repeating
