"""A base model is found, or a sentence says what to change."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from services.errors import ModelError
from services.inference.base_model import ensure_base_model

if TYPE_CHECKING:
    from pathlib import Path


def test_a_folder_that_holds_a_model_is_the_base_model(policy_folder: Path) -> None:
    assert ensure_base_model(str(policy_folder), policy_folder.parent) == policy_folder


def test_a_folder_that_is_not_there_is_named(tmp_path: Path) -> None:
    missing = tmp_path / "nowhere"
    with pytest.raises(ModelError, match=f"no model folder {missing}.*STEPFORGE_BASE_MODEL"):
        ensure_base_model(str(missing), tmp_path)


def test_a_folder_that_lacks_files_is_told_which(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text("{}")
    with pytest.raises(ModelError, match=r"has no tokenizer.json, \*.safetensors"):
        ensure_base_model(str(tmp_path), tmp_path)


def test_a_hub_name_that_cannot_be_fetched_is_explained(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    with pytest.raises(ModelError, match=r"owner/model could not be fetched.*HF_TOKEN"):
        ensure_base_model("owner/model", tmp_path)


def test_a_finished_bundled_model_is_not_made_again(tmp_path: Path) -> None:
    made = tmp_path / "models" / "SmolLM2-135M-Instruct"
    made.mkdir(parents=True)
    assert ensure_base_model("", tmp_path) == made
