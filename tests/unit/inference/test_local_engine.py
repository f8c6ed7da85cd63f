"""The engine says what transformers says, whatever else it is doing at the time."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
import torch
import transformers

from services.inference.local_engine import EngineLimits, LocalEngine
from services.inference.local_jobs import (
    FinishReason,
    GenerationJob,
    GenerationOptions,
    RequestRefused,
    ScoringJob,
)
from services.inference.local_model import load_model
from tests.models import save_tiny_policy, save_tiny_qwen
from tests.unit.inference.engines import GREEDY, STORIES, finish, generate, greedy_tokens

if TYPE_CHECKING:
    from pathlib import Path

    from services.inference.local_model import LocalModel

SAMPLED = GenerationOptions(count=3, temperature=0.9, max_tokens=20, seed=5)


def expected(
    model: LocalModel, reference: transformers.PreTrainedModel, prompts: tuple[str, ...]
) -> list[tuple[int, ...]]:
    return [greedy_tokens(reference, model.encode(prompt), count=24) for prompt in prompts]


def test_greedy_completions_are_those_of_transformers(
    policy_model: LocalModel, reference: transformers.PreTrainedModel
) -> None:
    made = generate(policy_model, STORIES)
    assert [generation.completions[0].tokens for generation in made] == expected(
        policy_model, reference, STORIES
    )


def test_another_architecture_runs_unchanged(tmp_path: Path) -> None:
    folder = save_tiny_qwen(tmp_path)
    model = load_model(folder, device=torch.device("cpu"), dtype=torch.float32)
    plain = transformers.AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32)
    made = generate(model, STORIES)
    assert [g.completions[0].tokens for g in made] == expected(model, plain, STORIES)


def test_bfloat16_with_packed_weights_stays_close_to_float32(
    policy_folder: Path, reference: transformers.PreTrainedModel
) -> None:
    model = load_model(policy_folder, device=torch.device("cpu"), dtype=torch.bfloat16)
    made = generate(model, STORIES, replace(GREEDY, max_tokens=1))
    wanted = [reference(torch.tensor([model.encode(story)])).logits[0, -1] for story in STORIES]
    for generation, logits in zip(made, wanted, strict=True):
        chosen = logits[generation.completions[0].tokens[0]]
        assert chosen > logits.max() - 0.15


def test_a_prompt_computed_in_many_small_steps_gives_the_same_completion(
    policy_model: LocalModel, reference: transformers.PreTrainedModel
) -> None:
    made = generate(policy_model, STORIES, limits=EngineLimits(prompt_tokens=7))
    assert [g.completions[0].tokens for g in made] == expected(policy_model, reference, STORIES)


def test_a_known_prefix_is_not_computed_again_and_changes_nothing(
    policy_model: LocalModel, reference: transformers.PreTrainedModel
) -> None:
    engine = LocalEngine(policy_model)
    parent, child = STORIES[0], STORIES[0] + " # Step 1: count\nleft = 12 - 5\n<end_of_step>\n"
    finish(engine, [GenerationJob(parent, GREEDY)])
    known = len(engine.prefix)
    job = GenerationJob(child, GREEDY)
    finish(engine, [job])
    assert known == (len(policy_model.encode(parent)) - 1) // 16
    assert len(engine.prefix) == (len(policy_model.encode(child)) - 1) // 16
    assert [job.future.result(timeout=0).completions[0].tokens] == expected(
        policy_model, reference, (child,)
    )


def test_siblings_that_come_together_compute_their_common_prefix_once(
    policy_model: LocalModel, reference: transformers.PreTrainedModel
) -> None:
    siblings = tuple(f"{STORIES[2]} {ending}" for ending in ("one", "two", "three"))
    engine = LocalEngine(policy_model)
    jobs = [GenerationJob(prompt, GREEDY) for prompt in siblings]
    for job in jobs:
        engine.submit(job)
    engine.step()
    assert [bool(job.future.done()) for job in jobs] == [False, False, False]
    assert len(engine.prefix) == (len(policy_model.encode(siblings[0])) - 1) // 16
    while engine.busy:
        engine.step()
    made = [job.future.result(timeout=0).completions[0].tokens for job in jobs]
    assert made == expected(policy_model, reference, siblings)


def test_a_small_prefix_cache_forgets_the_oldest_blocks(policy_model: LocalModel) -> None:
    block = 16 * policy_model.kv_shape.column_bytes
    engine = LocalEngine(policy_model, EngineLimits(prefix_bytes=3 * block))
    finish(engine, [GenerationJob(story, GREEDY) for story in STORIES])
    assert engine.prefix.nbytes <= 3 * block
    assert len(engine.prefix) == 3


def test_a_request_gets_as_many_candidates_as_it_asks_for(policy_model: LocalModel) -> None:
    [generation] = generate(policy_model, [STORIES[0]], replace(SAMPLED, count=7))
    assert len(generation.completions) == 7
    assert len({completion.tokens for completion in generation.completions}) > 1


def test_candidates_see_the_prompt_and_themselves_alone(
    policy_model: LocalModel, reference: transformers.PreTrainedModel
) -> None:
    """Each sampled candidate's last token is likely under a forward pass over it alone."""
    [generation] = generate(policy_model, [STORIES[0]], replace(SAMPLED, count=4, temperature=0.05))
    prompt = policy_model.encode(STORIES[0])
    for completion in generation.completions:
        sequence = torch.tensor([[*prompt, *completion.tokens]])
        logits = reference(sequence).logits[0, len(prompt) - 1 : -1] / 0.05
        chosen = logits.log_softmax(-1).gather(1, sequence[0, len(prompt) :, None])
        assert chosen.mean() > -1.5


def test_the_same_seed_gives_the_same_candidates(policy_model: LocalModel) -> None:
    assert generate(policy_model, [STORIES[0]], SAMPLED) == generate(
        policy_model, [STORIES[0]], SAMPLED
    )


def test_a_seed_gives_the_same_candidates_in_any_company(policy_model: LocalModel) -> None:
    alone = generate(policy_model, [STORIES[1]], SAMPLED)
    among_others = generate(policy_model, STORIES, SAMPLED)
    assert alone[0] == among_others[1]


def test_other_seeds_give_other_candidates(policy_model: LocalModel) -> None:
    assert generate(policy_model, [STORIES[0]], SAMPLED) != generate(
        policy_model, [STORIES[0]], replace(SAMPLED, seed=6)
    )


def test_requests_that_come_late_join_the_batch(
    policy_model: LocalModel, reference: transformers.PreTrainedModel
) -> None:
    engine = LocalEngine(policy_model)
    first = GenerationJob(STORIES[0], GREEDY)
    engine.submit(first)
    for _ in range(3):
        engine.step()
    late = GenerationJob(STORIES[1], replace(GREEDY, max_tokens=4))
    engine.submit(late)
    for _ in range(4):
        engine.step()
    assert late.future.done()
    assert not first.future.done()
    finish(engine, [])
    assert [first.future.result(timeout=0).completions[0].tokens] == expected(
        policy_model, reference, STORIES[:1]
    )


def test_more_requests_than_the_batch_holds_are_all_answered(policy_model: LocalModel) -> None:
    few = EngineLimits(sequences=4, prompt_tokens=32)
    crowd = [f"{number} {story}" for number in range(6) for story in STORIES]
    made = generate(policy_model, crowd, SAMPLED, limits=few)
    assert made == generate(policy_model, crowd, SAMPLED)


def test_little_memory_means_fewer_at_once_but_the_same_answers(policy_model: LocalModel) -> None:
    tight = EngineLimits(flight_bytes=200 * policy_model.kv_shape.column_bytes)
    assert generate(policy_model, STORIES, SAMPLED, limits=tight) == generate(
        policy_model, STORIES, SAMPLED
    )


@pytest.mark.parametrize("include", [True, False])
def test_a_completion_ends_with_its_stop_string(policy_model: LocalModel, include: bool) -> None:
    [free] = generate(policy_model, [STORIES[0]], replace(GREEDY, max_tokens=40))
    text = free.completions[0].text
    stop = text[10:13]
    options = replace(GREEDY, max_tokens=40, stop=("never", stop), include_stop=include)
    [cut] = generate(policy_model, [STORIES[0]], options)
    completion = cut.completions[0]
    assert completion.finish is FinishReason.STOP
    assert completion.text == text[: text.index(stop) + (len(stop) if include else 0)]
    assert len(completion.tokens) < 40


def test_max_tokens_ends_a_completion(policy_model: LocalModel) -> None:
    [generation] = generate(policy_model, [STORIES[0]], replace(GREEDY, max_tokens=3))
    completion = generation.completions[0]
    assert (len(completion.tokens), completion.finish) == (3, FinishReason.LENGTH)


def test_the_end_of_text_ends_a_completion_and_is_not_shown(
    tmp_path: Path, policy_model: LocalModel
) -> None:
    [generation] = generate(policy_model, [STORIES[0]])
    tokens = generation.completions[0].tokens
    model = load_model(
        save_tiny_policy(tmp_path, eos_token_id=tokens[5]),
        device=torch.device("cpu"),
        dtype=torch.float32,
    )
    [ended] = generate(model, [STORIES[0]])
    first_end = tokens.index(tokens[5])
    assert ended.completions[0].tokens == tokens[: first_end + 1]
    assert ended.completions[0].text == policy_model.decode([tokens[:first_end]])[0]
    assert ended.completions[0].finish is FinishReason.STOP


def test_the_context_ends_a_completion(policy_model: LocalModel) -> None:
    prompt = "y" * (policy_model.context - 5)
    [generation] = generate(policy_model, [prompt])
    completion = generation.completions[0]
    assert (len(completion.tokens), completion.finish) == (5, FinishReason.LENGTH)


@pytest.mark.parametrize("prompt", ["", "y" * 2000])
def test_a_prompt_that_does_not_fit_is_refused(policy_model: LocalModel, prompt: str) -> None:
    with pytest.raises(RequestRefused, match=f"has {len(prompt)} tokens.*takes 1 to 1023"):
        LocalEngine(policy_model).submit(GenerationJob(prompt, GREEDY))


def test_a_policy_does_not_score(policy_model: LocalModel) -> None:
    with pytest.raises(RequestRefused, match="generates text"):
        LocalEngine(policy_model).submit(ScoringJob("text"))


def test_a_cancelled_request_leaves_and_the_others_go_on(
    policy_model: LocalModel, reference: transformers.PreTrainedModel
) -> None:
    engine = LocalEngine(policy_model)
    jobs = [GenerationJob(story, GREEDY) for story in STORIES]
    for job in jobs:
        engine.submit(job)
    engine.step()
    jobs[0].future.cancel()
    finish(engine, [])
    assert [job.future.result(timeout=0).completions[0].tokens for job in jobs[1:]] == expected(
        policy_model, reference, STORIES[1:]
    )


def test_a_failure_answers_every_request_with_the_error(policy_model: LocalModel) -> None:
    engine = LocalEngine(policy_model)
    jobs = [GenerationJob(story, GREEDY) for story in STORIES]
    for job in jobs:
        engine.submit(job)
    engine.step()
    engine.fail_all(MemoryError("no memory"))
    assert not engine.busy
    assert [type(job.future.exception(timeout=0)) for job in jobs] == [MemoryError] * 4
