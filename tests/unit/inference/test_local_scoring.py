"""The local PPM gives the raw scores of transformers' classifier."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import torch
import transformers

from services.inference.local_engine import LocalEngine
from services.inference.local_jobs import GenerationJob, RequestRefused
from tests.unit.inference.engines import GREEDY, STORIES, scores

if TYPE_CHECKING:
    from pathlib import Path

    from services.inference.local_model import LocalModel


def reference_scores(folder: Path, model: LocalModel, prompts: tuple[str, ...]) -> list[float]:
    plain = transformers.AutoModelForSequenceClassification.from_pretrained(
        folder, dtype=torch.float32
    )
    with torch.inference_mode():
        return [plain(torch.tensor([model.encode(p)])).logits[0, 0].item() for p in prompts]


def test_scores_are_those_of_transformers(ppm_folder: Path, ppm_model: LocalModel) -> None:
    assert scores(LocalEngine(ppm_model), STORIES) == pytest.approx(
        reference_scores(ppm_folder, ppm_model, STORIES), abs=1e-5
    )


def test_a_known_prefix_does_not_change_a_score(ppm_folder: Path, ppm_model: LocalModel) -> None:
    engine = LocalEngine(ppm_model)
    children = tuple(f"{STORIES[2]} {ending}" for ending in ("one", "two", "three"))
    scores(engine, STORIES)
    assert scores(engine, children) == pytest.approx(
        reference_scores(ppm_folder, ppm_model, children), abs=1e-5
    )


def test_a_ppm_does_not_generate(ppm_model: LocalModel) -> None:
    with pytest.raises(RequestRefused, match="scores texts"):
        LocalEngine(ppm_model).submit(GenerationJob("text", GREEDY))
