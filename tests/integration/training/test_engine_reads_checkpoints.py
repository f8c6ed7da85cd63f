"""A trained folder is what the model server serves: the policy writes what it learned to write."""

from __future__ import annotations

import math
from pathlib import Path

import pytest

from services.inference.local_engine import LocalEngine
from services.inference.local_jobs import GenerationOptions
from services.inference.local_model import load_model
from services.steps import END_OF_STEP
from services.training.ppm import train_ppm
from services.training.sft import train_policy
from tests.models import save_tiny_policy
from tests.unit.inference.engines import generate, scores
from tests.unit.training.examples import (
    ppm_profile,
    sft_profile,
    silently,
    sum_examples,
    sum_pairs,
)


@pytest.fixture(scope="module")
def start(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_tiny_policy(tmp_path_factory.mktemp("models") / "start", initializer_range=0.1)


def test_the_engine_generates_the_step_that_a_policy_was_trained_on(
    start: Path, tmp_path: Path
) -> None:
    (example,) = sum_examples(1)
    report = train_policy(
        start,
        [example] * 8,
        out=tmp_path / "policy",
        settings=sft_profile(epochs=40),
        seed=0,
        progress=silently,
    )
    greedy = GenerationOptions(temperature=0, max_tokens=60, stop=(END_OF_STEP,), include_stop=True)
    (generation,) = generate(load_model(report.path), [example.prompt], greedy)
    first, _, _ = example.completion.partition(END_OF_STEP)
    assert generation.completions[0].text == first + END_OF_STEP


def test_the_engine_ranks_pairs_as_the_training_measured(start: Path, tmp_path: Path) -> None:
    pairs = sum_pairs(12)
    report = train_ppm(
        start,
        pairs[:32],
        pairs[32:],
        out=tmp_path / "ppm",
        settings=ppm_profile(epochs=10),
        seed=0,
        progress=silently,
    )
    engine = LocalEngine(load_model(report.path))
    chosen = scores(engine, [pair.chosen for pair in pairs[32:]])
    rejected = scores(engine, [pair.rejected for pair in pairs[32:]])
    right = sum(math.tanh(c) > math.tanh(r) for c, r in zip(chosen, rejected, strict=True))
    assert report.accuracy_after is not None
    assert right / len(chosen) == pytest.approx(report.accuracy_after, abs=0.1)
    assert right / len(chosen) > 0.8
