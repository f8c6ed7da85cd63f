"""A folder with its final name is whole."""

from __future__ import annotations

import errno
from pathlib import Path

import pytest

from services.errors import ConfigurationError, ModelError
from services.training.checkpoints import (
    DiskFull,
    content_hash,
    publishing,
    require_model,
    require_room,
)
from tests.models import save_tiny_policy


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_tiny_policy(tmp_path_factory.mktemp("models") / "policy")


def entries(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_a_folder_appears_when_the_block_ends(tmp_path: Path) -> None:
    with publishing(tmp_path / "out", expected_bytes=1) as draft:
        (draft / "file").write_text("whole")
        assert not (tmp_path / "out").exists()
    assert entries(tmp_path) == ["out"]
    assert (tmp_path / "out" / "file").read_text() == "whole"


@pytest.mark.parametrize("stop", [KeyboardInterrupt, RuntimeError])
def test_an_interrupted_block_leaves_nothing(tmp_path: Path, stop: type[BaseException]) -> None:
    def write_half() -> None:
        with publishing(tmp_path / "out", expected_bytes=1) as draft:
            (draft / "file").write_text("half")
            raise stop

    with pytest.raises(stop):
        write_half()
    assert entries(tmp_path) == []


def test_what_a_killed_process_left_is_replaced(tmp_path: Path) -> None:
    (tmp_path / ".out.partial").mkdir()
    (tmp_path / ".out.partial" / "old").write_text("half")
    with publishing(tmp_path / "out", expected_bytes=1):
        pass
    assert entries(tmp_path) == ["out"]
    assert entries(tmp_path / "out") == []


def test_a_published_folder_is_never_written_over(tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    with pytest.raises(ConfigurationError, match="already there"):
        publishing(tmp_path / "out", expected_bytes=1).__enter__()


def test_a_model_that_cannot_fit_is_refused_before_the_work(tmp_path: Path) -> None:
    with pytest.raises(DiskFull, match=r"MiB free.*Delete old checkpoints"):
        require_room(tmp_path, 2**60)


def test_a_disk_that_fills_up_is_said_in_a_sentence_and_nothing_stays(tmp_path: Path) -> None:
    with (
        pytest.raises(DiskFull, match="filled up while out was written"),
        publishing(tmp_path / "out", expected_bytes=1),
    ):
        raise OSError(errno.ENOSPC, "No space left on device")
    assert entries(tmp_path) == []


def test_another_error_of_the_system_is_not_called_a_full_disk(tmp_path: Path) -> None:
    with pytest.raises(PermissionError), publishing(tmp_path / "out", expected_bytes=1):
        raise PermissionError(errno.EACCES, "no")


def test_the_hash_tells_models_apart_and_not_folders(tmp_path: Path, model: Path) -> None:
    same = save_tiny_policy(tmp_path / "same")
    other = save_tiny_policy(tmp_path / "other", seed=1)
    assert content_hash(same) == content_hash(model)
    assert content_hash(other) != content_hash(model)


def test_a_model_is_accepted(model: Path) -> None:
    assert require_model(model) == model


def test_a_missing_folder_is_named(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"no model folder .*nowhere"):
        require_model(tmp_path / "nowhere")


def test_what_a_folder_lacks_is_named(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"no config.json, tokenizer.json, \*.safetensors"):
        require_model(tmp_path)


def test_cut_weights_are_noticed(tmp_path: Path) -> None:
    folder = save_tiny_policy(tmp_path / "policy")
    weights = folder / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:1000])
    with pytest.raises(ModelError, match=r"model.safetensors cannot be read"):
        require_model(folder)


def test_a_config_that_is_not_json_is_named(tmp_path: Path) -> None:
    folder = save_tiny_policy(tmp_path / "policy")
    (folder / "config.json").write_text("{")
    with pytest.raises(ModelError, match=r"config.json is not JSON"):
        require_model(folder)
