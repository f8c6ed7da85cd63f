"""Problems without an answer go through a round: searched, checked, and trained on."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.e2e.conftest import PROFILE, CommandHome


@pytest.fixture
def half_answered(sums: Path) -> Path:
    """The sums, every second one without its answer and solution."""
    problems = [json.loads(line) for line in sums.read_text().splitlines()]
    for problem in problems[::2]:
        del problem["answer"], problem["solution"]
    sums.write_text("".join(json.dumps(problem) + "\n" for problem in problems))
    return sums


@pytest.fixture
def profile(tmp_path: Path) -> Path:
    """One round that trains on mutually consistent solutions too."""
    head, first_round, *_ = PROFILE.read_text().split("[[rounds]]")
    path = tmp_path / "open.toml"
    path.write_text(f"{head}[[rounds]]{first_round.replace('bootstrap', 'consistent')}")
    return path


@pytest.mark.slow
def test_problems_without_answers_are_kept_by_agreement_and_trained_on(
    home: CommandHome, half_answered: Path, profile: Path
) -> None:
    output = home.run("evolve", "open", "--profile", str(profile), "--source", str(half_answered))
    assert "15 problems have no answer" in output
    assert "are mutually consistent" in output
    (made,) = home.query(
        "SELECT count(*) AS judged, count(*) FILTER (WHERE mutual) AS mutual,"
        " (SELECT count(*) FROM public.problems AS p"
        "  JOIN public.run_problems AS r ON r.problem_id = p.id"
        "  WHERE p.answer IS NULL AND r.split = 'held_out') AS held_out,"
        " (SELECT count(*) FROM public.dataset_items AS i"
        "  JOIN public.datasets AS d ON d.id = i.dataset_id AND d.round_number = 1"
        "  JOIN public.problems AS p ON p.id = i.problem_id"
        "  WHERE p.answer IS NULL) AS trained_on FROM mutual_trajectories"
    )
    assert made["held_out"] == 0
    assert 0 < int(str(made["mutual"])) <= int(str(made["judged"]))
    assert int(str(made["trained_on"])) > 0
    assert "rules hold" in home.run("db", "check")

    # The scripted model writes steps where it is asked for a problem; nobody can solve those.
    output = home.run("problems", "synthesise", "open", "--count", "5", "--writer", "scripted")
    assert "disagreed" in output
