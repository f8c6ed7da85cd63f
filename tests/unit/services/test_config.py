"""Settings and profiles: what is wrong is named, what ships is right."""

from __future__ import annotations

from pathlib import Path

import pytest
from pydantic import ValidationError

from services.errors import ConfigurationError
from services.profiles import (
    PROFILES,
    Annotation,
    Budget,
    PpmHead,
    SearchProfile,
    StartFrom,
    load_profile,
)


@pytest.mark.parametrize("path", sorted(PROFILES.glob("*.toml")), ids=lambda path: path.stem)
def test_every_profile_that_ships_can_be_read(path: Path) -> None:
    profile = load_profile(path.stem)
    assert profile.name == path.stem
    assert load_profile(str(path)) == profile


def test_the_paper_profile_has_the_four_rounds_of_the_paper() -> None:
    rounds = load_profile("paper").rounds
    assert [(r.search.rollouts, r.search.candidates) for r in rounds] == [
        (8, 5),
        (16, 8),
        (16, 8),
        (16, 8),
    ]
    assert [r.search.annotation for r in rounds] == [
        Annotation.TERMINAL_GUIDED,
        Annotation.TERMINAL_GUIDED,
        Annotation.PPM_AUGMENTED,
        Annotation.PPM_AUGMENTED,
    ]
    tiers = [[(tier.rollouts, tier.candidates) for tier in r.search.tiers] for r in rounds]
    assert tiers == [[(8, 5)], [(16, 8)], [(16, 8)], [(16, 8), (64, 16), (128, 16)]]
    for r in rounds:
        assert r.search.early_stopping is None
        assert r.search.budget is None
        assert r.search.parallel_rollouts == 1
        assert not any(r.search.deviations.model_dump().values())
        assert (r.search.ppm_scale, r.ppm.head) == (1.0, PpmHead.TANH)
        assert (r.search.max_depth, r.search.exploration) == (16, 2.0)
        assert r.sft.start_from is StartFrom.BASE
        assert (r.sft.epochs, r.sft.max_length, r.sft.batch_size) == (2, 4096, 128)
        assert (r.sft.learning_rate, r.ppm.learning_rate) == (7e-6, 7e-6)
        assert (r.ppm.epochs, r.ppm.batch_size) == (1, 512)


def test_an_unknown_profile_is_named_with_those_there_are() -> None:
    with pytest.raises(ConfigurationError, match=r"no profile .nope.\. Use one of demo"):
        load_profile("nope")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (("held_out = 40", "held_out = 0"), "held_out: Input should be greater than 0"),
        (("rollouts = 8", "rollout = 8"), "rounds.0.search.rollouts: Field required"),
        (("seed = 1", 'seed = "one"'), "seed: Input should be a valid integer"),
        (("name =", "name"), "is not TOML"),
        (('name = "demo"', 'name = "demo"\ncolour = "red"'), "colour: Extra inputs"),
    ],
)
def test_a_wrong_field_is_named(tmp_path: Path, change: tuple[str, str], message: str) -> None:
    text = (PROFILES / "demo.toml").read_text()
    assert change[0] in text
    broken = tmp_path / "broken.toml"
    broken.write_text(text.replace(*change, 1))
    with pytest.raises(ConfigurationError, match=message):
        load_profile(str(broken))


def test_a_tier_changes_rollouts_and_candidates_and_nothing_else() -> None:
    profile = SearchProfile.model_validate(
        {"rollouts": 16, "candidates": 8, "escalation": [{"rollouts": 64, "candidates": 16}]}
    )
    assert profile.at_tier(0) == profile
    changed = profile.at_tier(1)
    assert (changed.rollouts, changed.candidates) == (64, 16)
    assert changed.model_copy(update={"rollouts": 16, "candidates": 8}) == profile


def test_a_budget_limits_something() -> None:
    with pytest.raises(ValidationError, match="give tokens or hours"):
        Budget()
