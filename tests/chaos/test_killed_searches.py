"""Two hundred searches through Celery, whose workers are killed twenty times on the way.

The trees are those of an undisturbed round with the same seeds: nothing is lost, nothing counted
twice, and what a killed worker had stored is gone on from. The steps are a scripted policy's, or a
trained transformer's behind the embedded model server, which then computes other batches.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from db.queries import integrity, runs
from db.records.problems import RunProblemRecord
from db.records.runs import RunRow
from db.session import Database
from db.vocabulary import Split
from services.config import SandboxChoice, Settings
from services.embedded.engines import Engines
from services.profiles import Profile, RoundProfile, Sampling, SearchProfile
from tests.chaos.killing import record_policy, search_round
from tests.e2e.conftest import scripted_url
from tests.factories import new_problem, store_problems
from tests.trained_policy import LONGEST_STEP, SUMS, question, save_trained_policy

__all__ = ["scripted_url"]  # the fixture of the end-to-end tests

SEARCHES = len(SUMS)
KILLS = 20


@dataclass(frozen=True)
class Policy:
    """Who proposes the steps, and how much of it is searched."""

    rollouts: int
    settings: Settings
    folder: Path | None = None
    """Of a checkpoint that the embedded model server serves."""

    @property
    def profile(self) -> Profile:
        search = SearchProfile(
            rollouts=self.rollouts,
            candidates=3,
            max_depth=6,
            trees_in_flight=16,
            checkpoint_rollouts=1,
            sampling=Sampling(temperature=1.0, max_step_tokens=LONGEST_STEP),
        )
        return Profile(
            name="killed",
            description="Short searches of which each stores its progress often.",
            source="sums",
            source_problems=SEARCHES,
            held_out=1,
            problems_per_round=SEARCHES,
            rounds=(RoundProfile(search=search), RoundProfile(search=search)),
        )


@pytest.fixture(params=["scripted", "trained"])
def policy(request: pytest.FixtureRequest, tmp_path: Path) -> Policy:
    home = Settings(home=tmp_path / "home", sandbox=SandboxChoice.LOCAL, workers=2)
    if request.param == "trained":
        return Policy(3, home, request.getfixturevalue("trained_policy"))
    url = request.getfixturevalue("scripted_url")
    urls = {"policy_url": url, "ppm_url": url, "bootstrap_url": url}
    named = {"bootstrap_model": "scripted-arithmetic"}
    return Policy(4, home.model_copy(update={**urls, **named}))


@pytest.fixture(scope="session")
def trained_policy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_trained_policy(tmp_path_factory.mktemp("trained"))


@pytest.fixture
def engines(policy: Policy) -> Iterator[Engines]:
    with Engines(policy.settings) as engines:
        yield engines
        engines.stop()


def stored_run(database: Database, profile: Profile) -> RunRow:
    ids = store_problems(
        database, [new_problem(question(left, right), str(left + right)) for left, right in SUMS]
    )
    return runs.create(
        database,
        name="killed",
        profile=profile.model_dump(mode="json"),
        base_model="none",
        problems=[RunProblemRecord(problem_id, Split.TRAIN) for problem_id in ids],
    )


@pytest.mark.slow
def test_searches_whose_workers_are_killed_twenty_times_end_in_the_undisturbed_trees(
    engines: Engines, policy: Policy
) -> None:
    run = stored_run(engines.database(), policy.profile)
    number = record_policy(engines.database(), run, policy.folder) if policy.folder else None
    undisturbed = search_round(engines, run, 1, policy=number, moments=[])
    # Drawn from the whole of the work but its end, where nobody holds anything to be killed with.
    dice = random.Random(20)
    moments = sorted(dice.sample(range(SEARCHES * policy.rollouts * 9 // 10), KILLS))
    disturbed = search_round(engines, run, 2, policy=number, moments=moments)
    assert disturbed.killer.kills == KILLS
    assert disturbed.killer.interrupted > 0
    assert "goes on after rollout" in "".join(
        log.read_text() for log in engines.home.logs.glob("worker-*.log")
    )
    assert disturbed.trees == undisturbed.trees
    assert disturbed.shape.trees == SEARCHES == 200
    assert not disturbed.shape.is_trivial
    assert integrity.violations(engines.database()) == []
