"""The model that comes with the wheels becomes a folder that every part can load."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from services.inference.base_model import ensure_base_model
from services.inference.local_engine import LocalEngine
from services.inference.local_jobs import GenerationJob, GenerationOptions
from services.inference.local_model import load_model

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.slow
def test_the_bundled_model_is_written_whole_and_speaks_english(tmp_path: Path) -> None:
    folder = ensure_base_model("", tmp_path)
    assert [path.name for path in folder.parent.iterdir()] == [folder.name]
    job = GenerationJob("The capital of France is", GenerationOptions(temperature=0, max_tokens=8))
    engine = LocalEngine(load_model(folder))
    engine.submit(job)
    while engine.busy:
        engine.step()
    assert "Paris" in job.future.result(timeout=0).completions[0].text
