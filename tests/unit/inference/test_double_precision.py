"""A checkpoint in double precision is served in it, to the choice of the token."""

from __future__ import annotations

from pathlib import Path
from random import Random

import pytest
import torch
import transformers

from services.inference.local_engine import EngineLimits
from services.inference.local_jobs import GenerationOptions
from services.inference.local_model import LocalModel, best_dtype, load_model
from services.inference.local_sampling import Draw, choose_tokens
from tests.models import save_tiny_policy
from tests.unit.inference.engines import STORIES, generate, greedy_tokens

CPU = torch.device("cpu")
SAMPLED = GenerationOptions(count=3, temperature=1.0, top_p=0.95, max_tokens=24, seed=5)


class Exactly(Random):
    """A generator that always returns one number."""

    def __init__(self, number: float) -> None:
        super().__init__()
        self.number = number

    def random(self) -> float:
        return self.number


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> transformers.PreTrainedModel:
    folder = save_tiny_policy(tmp_path_factory.mktemp("double"))
    model = transformers.AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float64)
    model.save_pretrained(folder)
    return model


@pytest.fixture(scope="module")
def double_model(plain: transformers.PreTrainedModel) -> LocalModel:
    return load_model(Path(plain.name_or_path), device=CPU)


def test_the_config_of_a_checkpoint_asks_for_double_precision(
    double_model: LocalModel, policy_folder: Path
) -> None:
    assert double_model.kv_shape.dtype is torch.float64
    assert {p.dtype for p in double_model.module.parameters()} == {torch.float64}
    assert load_model(policy_folder, device=CPU).kv_shape.dtype is best_dtype(CPU)


def test_greedy_completions_in_double_precision_are_those_of_transformers(
    double_model: LocalModel, plain: transformers.PreTrainedModel
) -> None:
    made = generate(double_model, STORIES)
    assert [generation.completions[0].tokens for generation in made] == [
        greedy_tokens(plain, double_model.encode(story), count=24) for story in STORIES
    ]


def test_a_seed_gives_the_same_candidates_in_any_batch(double_model: LocalModel) -> None:
    crowd = [f"{number} {story}" for number in range(6) for story in STORIES]
    alone = [generate(double_model, [prompt], SAMPLED)[0] for prompt in crowd]
    few = EngineLimits(sequences=8, prompt_tokens=20)
    assert generate(double_model, crowd, SAMPLED) == alone
    assert generate(double_model, crowd, SAMPLED, limits=few) == alone


@pytest.mark.parametrize(("beside", "token"), [(-1e-12, 0), (1e-12, 1)])
def test_a_quantile_is_told_from_one_that_single_precision_rounds_to_it(
    beside: float, token: int
) -> None:
    logits = torch.zeros(1, 2, dtype=torch.float64)
    assert choose_tokens(logits, [Draw(1.0, 1.0, Exactly(0.5 + beside))]) == [token]
