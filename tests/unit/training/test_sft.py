"""A tiny policy is trained for real: what changes, what does not, and what is left behind."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

from services.errors import ConfigurationError, DatasetEmpty, ModelError
from services.training.progress import TrainingProgress, TrainingReport
from services.training.sft import SftExample, train_policy
from tests.models import save_tiny_policy
from tests.unit.training.examples import sft_profile, silently, sum_examples


@pytest.fixture(scope="module")
def start(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_tiny_policy(tmp_path_factory.mktemp("models") / "start", initializer_range=0.1)


def train(
    start: Path, out: Path, *, count: int = 8, seed: int = 0, **changes: object
) -> TrainingReport:
    return train_policy(
        start,
        sum_examples(count),
        out=out,
        settings=sft_profile(**changes),
        seed=seed,
        progress=silently,
    )


def weights(folder: Path) -> dict[str, torch.Tensor]:
    model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.bfloat16)
    return dict(model.state_dict())


def changed(before: Path, after: Path) -> set[str]:
    old, new = weights(before), weights(after)
    return {name for name in old if not torch.equal(old[name], new[name])}


def test_the_loss_falls_and_each_step_is_told(start: Path, tmp_path: Path) -> None:
    told: list[TrainingProgress] = []
    report = train_policy(
        start,
        sum_examples(32),
        out=tmp_path / "out",
        settings=sft_profile(epochs=3),
        seed=0,
        progress=told.append,
    )
    assert [p.step for p in told] == list(range(1, 25))
    assert {p.total_steps for p in told} == {24}
    assert told[-1].loss < told[0].loss / 2
    assert all(p.tokens_per_second > 0 for p in told)
    assert report.steps == 24
    assert report.examples == 32
    assert report.final_loss == pytest.approx(sum(p.loss for p in told[-3:]) / 3)


def test_the_folder_loads_back_and_keeps_its_tokens(start: Path, tmp_path: Path) -> None:
    report = train(start, tmp_path / "out")
    AutoModelForCausalLM.from_pretrained(report.path)
    text = "x = 1\n<end_of_step>\n"
    tokenizers = [AutoTokenizer.from_pretrained(folder) for folder in (start, report.path)]
    assert tokenizers[0](text)["input_ids"] == tokenizers[1](text)["input_ids"]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["out"]
    assert not list(report.path.glob("*.bin"))


def test_tokens_are_counted_without_padding(start: Path, tmp_path: Path) -> None:
    tokenizer = AutoTokenizer.from_pretrained(start)
    report = train(start, tmp_path / "out", epochs=2)
    texts = [example.prompt + example.completion for example in sum_examples(8)]
    assert report.tokens == 2 * sum(len(tokenizer(text)["input_ids"]) + 1 for text in texts)


def test_equal_seeds_give_equal_models(start: Path, tmp_path: Path) -> None:
    one = train(start, tmp_path / "one", seed=3)
    same = train(start, tmp_path / "same", seed=3)
    other = train(start, tmp_path / "other", seed=4)
    assert one.content_hash == same.content_hash
    assert one.content_hash != other.content_hash


def test_frozen_layers_and_embeddings_keep_their_weights(start: Path, tmp_path: Path) -> None:
    report = train(start, tmp_path / "out", frozen_layers=2)
    names = changed(start, report.path)
    assert names
    assert all(name.startswith(("model.layers.2.", "model.norm")) for name in names)


def test_without_frozen_layers_everything_learns(start: Path, tmp_path: Path) -> None:
    assert changed(start, train(start, tmp_path / "out").path) == set(weights(start))


def test_what_the_host_writes_is_not_learned(start: Path, tmp_path: Path) -> None:
    """Two sets that differ in observations alone differ in what is read, not in what is scored."""
    example = sum_examples(1)[0]
    host_only = SftExample(prompt=example.prompt, completion="")
    losses: list[TrainingProgress] = []
    train_policy(
        start,
        [host_only],
        out=tmp_path / "out",
        settings=sft_profile(),
        seed=0,
        progress=losses.append,
    )
    model = AutoModelForCausalLM.from_pretrained(start, dtype=torch.float32)
    tokenizer = AutoTokenizer.from_pretrained(start)
    ids = tokenizer(example.prompt, return_tensors="pt")["input_ids"]
    logits = model(ids).logits[0, -1]
    expected = -torch.log_softmax(logits, dim=-1)[tokenizer.eos_token_id].item()
    assert losses[0].loss == pytest.approx(expected, rel=0.03)


class Stopped(Exception):
    pass


@pytest.mark.parametrize("stop", [Stopped, KeyboardInterrupt])
def test_an_interrupted_training_leaves_no_folder(
    start: Path, tmp_path: Path, stop: type[BaseException]
) -> None:
    def interrupt(progress: TrainingProgress) -> None:
        raise stop

    with pytest.raises(stop):
        train_policy(
            start,
            sum_examples(8),
            out=tmp_path / "out",
            settings=sft_profile(),
            seed=0,
            progress=interrupt,
        )
    assert list(tmp_path.iterdir()) == []


def test_examples_that_say_nothing_in_time_are_refused(start: Path, tmp_path: Path) -> None:
    with pytest.raises(DatasetEmpty, match="8 examples has a token to learn within 4 tokens"):
        train(start, tmp_path / "out", max_length=4)
    assert list(tmp_path.iterdir()) == []


def test_more_frozen_layers_than_there_are_is_a_wrong_setting(start: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"frozen_layers is 3.*3 layers"):
        train(start, tmp_path / "out", frozen_layers=3)


def test_a_folder_without_a_model_is_named(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="no model folder"):
        train(tmp_path / "nowhere", tmp_path / "out")


def test_nothing_is_printed(start: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    train(start, tmp_path / "out")
    assert capfd.readouterr() == ("", "")
