"""A tiny PPM is trained for real on pairs that a pattern decides."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from transformers import AutoModelForSequenceClassification, AutoTokenizer

from services.errors import DatasetEmpty
from services.profiles import PpmHead
from services.training.ppm import score, train_ppm
from services.training.progress import PpmReport, TrainingProgress
from tests.models import save_tiny_policy
from tests.unit.training.examples import ppm_profile, silently, sum_pairs


@pytest.fixture(scope="module")
def policy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_tiny_policy(tmp_path_factory.mktemp("models") / "policy", initializer_range=0.1)


def train(policy: Path, out: Path, *, seed: int = 0, **changes: object) -> PpmReport:
    pairs = sum_pairs(12)
    return train_ppm(
        policy,
        pairs[:32],
        pairs[32:],
        out=out,
        settings=ppm_profile(**changes),
        seed=seed,
        progress=silently,
    )


@pytest.fixture(scope="module")
def trained(policy: Path, tmp_path_factory: pytest.TempPathFactory) -> PpmReport:
    return train(policy, tmp_path_factory.mktemp("models") / "ppm", epochs=10)


def test_it_learns_to_tell_held_out_pairs_apart(trained: PpmReport) -> None:
    assert trained.accuracy_before == 0.5
    assert trained.accuracy_after is not None
    assert trained.accuracy_after > 0.9
    assert (trained.pairs, trained.groups, trained.held_out_pairs) == (32, 8, 16)
    assert trained.steps == 20


def test_the_folder_is_a_classifier_that_scores_as_it_was_trained(trained: PpmReport) -> None:
    model = AutoModelForSequenceClassification.from_pretrained(trained.path)
    tokenizer = AutoTokenizer.from_pretrained(trained.path)
    assert model.config.num_labels == 1
    assert model.config.pad_token_id == tokenizer.pad_token_id

    def score(text: str) -> float:
        raw = model(**tokenizer(text, return_tensors="pt")).logits
        return torch.tanh(raw)[0, 0].item()

    unseen = sum_pairs(12)[32:]
    right = sum(score(pair.chosen) > score(pair.rejected) for pair in unseen)
    assert right / len(unseen) == pytest.approx(trained.accuracy_after, abs=0.1)


def test_the_first_loss_is_that_of_a_model_without_preferences(
    policy: Path, tmp_path: Path
) -> None:
    told: list[TrainingProgress] = []
    train_ppm(
        policy,
        sum_pairs(4),
        [],
        out=tmp_path / "out",
        settings=ppm_profile(),
        seed=0,
        progress=told.append,
    )
    assert told[0].loss == pytest.approx(0.6931, abs=1e-3)


def test_without_held_out_pairs_there_is_no_accuracy(policy: Path, tmp_path: Path) -> None:
    report = train_ppm(
        policy,
        sum_pairs(4),
        [],
        out=tmp_path / "out",
        settings=ppm_profile(),
        seed=0,
        progress=silently,
    )
    assert report.accuracy_before is None
    assert report.accuracy_after is None


def test_equal_seeds_give_equal_models(policy: Path, tmp_path: Path) -> None:
    one = train(policy, tmp_path / "one", seed=3)
    same = train(policy, tmp_path / "same", seed=3)
    assert one.content_hash == same.content_hash


def test_a_ppm_can_be_trained_further(trained: PpmReport, tmp_path: Path) -> None:
    second = train(trained.path, tmp_path / "second")
    assert second.accuracy_before == pytest.approx(trained.accuracy_after, abs=0.1)


def test_frozen_layers_keep_their_weights(policy: Path, tmp_path: Path) -> None:
    report = train(policy, tmp_path / "out", frozen_layers=2, epochs=2)
    old = AutoModelForSequenceClassification.from_pretrained(policy, num_labels=1).state_dict()
    new = AutoModelForSequenceClassification.from_pretrained(report.path).state_dict()
    kept = ("model.embed_tokens.", "model.layers.0.", "model.layers.1.")
    for name in old:
        same = torch.equal(old[name].bfloat16(), new[name].bfloat16())
        assert same == name.startswith(kept), name


def test_pairs_that_do_not_fit_are_refused(policy: Path, tmp_path: Path) -> None:
    with pytest.raises(DatasetEmpty, match="32 preference pairs fits into 4 tokens"):
        train(policy, tmp_path / "out", max_length=4)
    assert list(tmp_path.iterdir()) == []


def test_nothing_is_printed(
    policy: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    train(policy, tmp_path / "out")
    assert capfd.readouterr() == ("", "")


def test_the_loss_compares_bounded_scores_or_the_released_codes_raw_ones() -> None:
    class Scorer:
        def __call__(self, *, input_ids: torch.Tensor, attention_mask: torch.Tensor) -> object:
            return type("Output", (), {"logits": torch.tensor([[3.0], [-0.5]])})

    batch = {"input_ids": torch.zeros(2, 1), "attention_mask": torch.ones(2, 1)}
    assert score(Scorer(), batch).tolist() == pytest.approx([0.99505, -0.46212], abs=1e-5)
    assert score(Scorer(), batch, PpmHead.RAW).tolist() == [3.0, -0.5]


def test_a_ppm_can_be_trained_on_raw_scores(policy: Path, tmp_path: Path) -> None:
    bounded = train(policy, tmp_path / "tanh", epochs=1)
    raw = train(policy, tmp_path / "raw", epochs=1, head="raw")
    assert raw.content_hash != bounded.content_hash
