"""Tiny models, written once for the session."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import torch
import transformers

from services.inference.local_model import LocalModel, load_model
from tests.models import save_tiny_policy, save_tiny_ppm

if TYPE_CHECKING:
    from pathlib import Path

CPU = torch.device("cpu")


@pytest.fixture(scope="session", autouse=True)
def _one_thread() -> None:
    """A tiny model is slower on several threads, and far slower on a busy machine."""
    torch.set_num_threads(1)


@pytest.fixture(scope="session")
def policy_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_tiny_policy(tmp_path_factory.mktemp("models") / "policy")


@pytest.fixture(scope="session")
def ppm_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_tiny_ppm(tmp_path_factory.mktemp("models") / "ppm")


@pytest.fixture(scope="session")
def policy_model(policy_folder: Path) -> LocalModel:
    return load_model(policy_folder, device=CPU, dtype=torch.float32)


@pytest.fixture(scope="session")
def ppm_model(ppm_folder: Path) -> LocalModel:
    return load_model(ppm_folder, device=CPU, dtype=torch.float32)


@pytest.fixture(scope="session")
def reference(policy_folder: Path) -> transformers.PreTrainedModel:
    """The same policy as plain transformers runs it."""
    return transformers.AutoModelForCausalLM.from_pretrained(policy_folder, dtype=torch.float32)
