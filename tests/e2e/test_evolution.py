"""The whole loop through the command line: two rounds, then everything that a user looks at."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests import engines
from tests.e2e.conftest import PROFILE, CommandHome, scripted_server


def test_two_rounds_run_and_can_be_looked_at(home: CommandHome, sums: Path) -> None:
    evolve = ("evolve", "sums", "--profile", str(PROFILE), "--source", str(sums))
    output = home.run(*evolve)
    assert "round 2" in output
    assert "policy pass@1 after" in output
    (made,) = home.query(
        "SELECT (SELECT count(*) FROM searches WHERE status = 'done') AS searches,"
        " (SELECT count(*) FROM nodes) AS nodes,"
        " (SELECT count(*) FROM preference_pairs) AS pairs,"
        " (SELECT count(*) FROM checkpoints) AS checkpoints,"
        " (SELECT count(*) FROM evaluations) AS evaluations,"
        " (SELECT count(*) FROM nodes WHERE prior IS NOT NULL) AS with_prior"
    )
    assert made["searches"] == 24
    assert made["checkpoints"] == 5
    assert made["evaluations"] == 3
    assert all(isinstance(count, int) and count > 0 for count in made.values())
    assert "rules hold" in home.run("db", "check")
    assert "correct" in home.run("trees", "show")
    assert "chosen, Q" in home.run("pairs", "show")

    again = home.run(*evolve)
    assert "Going on with run sums" in again
    assert home.query("SELECT count(*) AS n FROM nodes") == [{"n": made["nodes"]}]

    relabelled = home.run("relabel", "sums", "--round", "1", "--name", "plain", "--grader", "plain")
    assert "trees labelled" in relabelled
    copied = home.query("SELECT count(*) AS n FROM searches WHERE run = 'sums.plain'")
    assert copied == [{"n": 12}]
    (ppm,) = home.query("SELECT max(checkpoint_id) AS id FROM checkpoints WHERE kind = 'ppm'")
    guided = ("relabel", "sums", "--round", "1", "--name", "guided", "--ppm", str(ppm["id"]))
    assert "labels changed" in home.run(*guided)
    (priors,) = home.query(
        "SELECT count(*) FILTER (WHERE prior IS NOT NULL) > 0 AS given FROM steps"
        " WHERE search_id IN (SELECT search_id FROM searches WHERE run = 'sums.guided')"
    )
    assert priors == {"given": True}
    assert "rules hold" in home.run("db", "check")
    assert "No unsolved problem" in home.run("problems", "review", "sums", "--min-agreeing", "99")
    marked = home.run("problems", "review", "--mark", "1", "ambiguous", "--note", "why not")
    assert "marked ambiguous" in marked


def test_a_server_that_strips_stop_strings_is_refused_before_the_first_search(
    home: CommandHome, sums: Path, tmp_path: Path
) -> None:
    with scripted_server(tmp_path / "port", "--strips-stops") as url:
        home.environment["STEPFORGE_POLICY_URL"] = url
        evolve = ("evolve", "sums", "--profile", str(PROFILE), "--source", str(sums))
        output = home.run(*evolve, expect=1)
    assert "takes stop strings" in " ".join(output.split())
    assert "STEPFORGE_POLICY_URL" in output
    assert home.query("SELECT count(*) AS n FROM searches") == [{"n": 0}]


def test_a_query_cannot_write(home: CommandHome) -> None:
    output = home.run("query", "DROP TABLE nodes", expect=1)
    assert output.startswith("Error: ")
    assert "Traceback" not in output


@pytest.mark.slow
@pytest.mark.engine("docker")
@pytest.mark.engine("rabbitmq")
def test_the_same_loop_runs_on_rabbitmq_and_docker(home: CommandHome, sums: Path) -> None:
    home.environment |= {"STEPFORGE_BROKER_URL": engines.AMQP_URL, "STEPFORGE_SANDBOX": "docker"}
    home.run("evolve", "sums", "--profile", str(PROFILE), "--source", str(sums))
    (made,) = home.query(
        "SELECT count(*) AS searches, count(DISTINCT sandbox) AS sandboxes, min(sandbox) AS sandbox"
        " FROM searches WHERE status = 'done'"
    )
    assert (made["searches"], made["sandboxes"]) == (24, 1)
    assert str(made["sandbox"]).startswith("docker sha256:")
    assert "rules hold" in home.run("db", "check")


@pytest.mark.slow
def test_the_same_loop_runs_on_gsm8k_even_when_nothing_is_solved(
    home: CommandHome, shared_data: Path
) -> None:
    """The scripted policy knows sums only, so every search ends wrong and nothing is mined."""
    source = str(shared_data / "gsm8k_train.jsonl")
    output = home.run(
        "evolve", "gsm8k", "--profile", str(PROFILE), "--source", source, "--limit", "30"
    )
    assert "no preference pair was found" in output
    (made,) = home.query(
        "SELECT count(*) AS searches, count(*) FILTER (WHERE solved) AS solved,"
        " (SELECT count(*) FROM evaluations) AS evaluations FROM searches WHERE status = 'done'"
    )
    assert made == {"searches": 24, "solved": 0, "evaluations": 3}
    assert "rules hold" in home.run("db", "check")
