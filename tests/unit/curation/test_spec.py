"""Curation specs: those that are shipped are right, and a wrong one says where."""

from __future__ import annotations

from pathlib import Path

import pytest

from db.vocabulary import DatasetKind
from services.curation.spec import SPECS, CurationSpec, load_spec, preference_spec, sft_spec
from services.errors import ConfigurationError
from services.profiles import PROFILES, Profile, load_profile


@pytest.mark.parametrize("path", sorted(SPECS.glob("*.toml")), ids=lambda path: path.stem)
def test_a_shipped_spec_is_read_and_survives_being_stored(path: Path) -> None:
    spec = load_spec(path.stem)
    assert spec.description
    assert CurationSpec.model_validate(spec.model_dump(mode="json")) == spec


def test_the_filters_of_the_released_code_are_an_example() -> None:
    pairs = load_spec("released-code").pairs
    assert (pairs.min_margin, pairs.min_edit_distance) == (0.5, 20)


def test_a_profile_gives_the_specs_of_its_rounds() -> None:
    profile: Profile = load_profile(str(PROFILES / "demo.toml"))
    sft = sft_spec(profile.rounds[1].sft, 2)
    assert (sft.kind, sft.rounds, sft.max_items) == (DatasetKind.SFT, (1, 2), 64)
    assert sft.trajectories.a_problem == profile.rounds[1].sft.trajectories_per_problem
    pairs = preference_spec(profile.rounds[1].ppm, 2)
    assert (pairs.kind, pairs.rounds, pairs.max_items) == (DatasetKind.PREFERENCE, (2,), 64)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('kind = "sft"\n[pairs]\nmin_margn = 1', "pairs.min_margn"),
        ('kind = "sft"\n[trajectories]\nverdicts = "both"', "verdicts must be 'correct'"),
        ('kind = "stepwise"\nbootstrap = true', "kind must be 'sft'"),
        ('kind = "sft"\n[problems]\nbalance = { edges = [0.5, 0.25] }', "edges must ascend"),
        ('kind = "rewards"', "kind"),
        ("kind = ", "not TOML"),
    ],
)
def test_a_wrong_spec_is_refused_with_its_field(tmp_path: Path, text: str, said: str) -> None:
    path = tmp_path / "mine.toml"
    path.write_text(text)
    with pytest.raises(ConfigurationError, match=r"mine\.toml") as refused:
        load_spec(str(path))
    assert said in str(refused.value)


def test_a_spec_that_is_not_there_is_named_beside_those_that_are() -> None:
    with pytest.raises(ConfigurationError, match=r"'careless'.*careful.*released-code"):
        load_spec("careless")
