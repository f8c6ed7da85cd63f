"""One thread serves several models, and holds no more of them than it may."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from services.errors import EngineUnavailable, ModelError
from services.inference.local_host import ModelHost
from services.inference.local_jobs import GenerationJob, RequestRefused, ScoringJob
from tests.models import save_tiny_policy
from tests.unit.inference.engines import GREEDY, STORIES

if TYPE_CHECKING:
    from collections.abc import Iterator

SECONDS = 60


@contextmanager
def running_host(held: int = 2) -> Iterator[ModelHost]:
    host = ModelHost(threads=1, held=held)
    host.start()
    try:
        yield host
    finally:
        host.close()


def ask(host: ModelHost, folder: Path) -> GenerationJob:
    job = GenerationJob(STORIES[0], GREEDY)
    host.submit(folder, job)
    return job


def test_a_policy_and_a_ppm_are_served_side_by_side(policy_folder: Path, ppm_folder: Path) -> None:
    with running_host() as host:
        made, scored = ask(host, policy_folder), ScoringJob(STORIES[0])
        host.submit(ppm_folder, scored)
        assert made.future.result(SECONDS).completions
        assert isinstance(scored.future.result(SECONDS).value, float)
        assert host.held_models() == [policy_folder, ppm_folder]


def test_the_least_recently_used_model_makes_room(policy_folder: Path, tmp_path: Path) -> None:
    second = save_tiny_policy(tmp_path / "second", seed=2)
    third = save_tiny_policy(tmp_path / "third", seed=3)
    with running_host() as host:
        jobs = [ask(host, f) for f in (policy_folder, second, policy_folder, third, second)]
        texts = [job.future.result(SECONDS).completions[0].text for job in jobs]
        assert host.held_models() == [third, second]
    assert texts[0] == texts[2]
    assert texts[1] == texts[4]
    assert len(set(texts)) == 3


def test_a_folder_without_a_model_is_named_and_the_others_go_on(policy_folder: Path) -> None:
    with running_host() as host:
        lost, good = ask(host, Path("/no/such/model")), ask(host, policy_folder)
        with pytest.raises(ModelError, match="There is no model in /no/such/model"):
            lost.future.result(SECONDS)
        assert good.future.result(SECONDS).completions


def test_a_folder_with_a_broken_model_is_explained(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text('{"architectures": ["BertModel"], "model_type": "bert"}')
    with running_host() as host, pytest.raises(ModelError, match=r"cannot be loaded.*BertModel"):
        ask(host, tmp_path).future.result(SECONDS)


def test_a_folder_with_damaged_weights_is_explained_and_the_others_go_on(
    policy_folder: Path, tmp_path: Path
) -> None:
    damaged = save_tiny_policy(tmp_path / "damaged")
    (damaged / "model.safetensors").write_bytes(b"not weights")
    with running_host() as host:
        lost, good = ask(host, damaged), ask(host, policy_folder)
        with pytest.raises(ModelError, match=f"{damaged} cannot be loaded"):
            lost.future.result(SECONDS)
        assert good.future.result(SECONDS).completions


def test_a_request_of_the_wrong_kind_is_refused(ppm_folder: Path) -> None:
    with running_host() as host, pytest.raises(RequestRefused, match="scores texts"):
        ask(host, ppm_folder).future.result(SECONDS)


def test_closing_answers_what_is_still_open(policy_folder: Path) -> None:
    with running_host() as host:
        endless = GenerationJob(STORIES[0], replace(GREEDY, max_tokens=900, count=100))
        host.submit(policy_folder, endless)
        ask(host, policy_folder).future.result(SECONDS)
    with pytest.raises(EngineUnavailable):
        endless.future.result(0)
