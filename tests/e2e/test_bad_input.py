"""Bad input and bad luck: one sentence that names the input and the remedy, and nothing is kept."""

from __future__ import annotations

import json
import os
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from tests.e2e.conftest import PROFILE, CommandHome

GOOD = {"id": "a", "question": "What is 1 + 2?", "answer": "3"}


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[CommandHome]:
    """One home for all that must leave it as it was. Postgres stays up."""
    home = CommandHome(tmp_path_factory.mktemp("bad") / "home")
    stays_up = home.path / "run" / "stays-up"
    stays_up.parent.mkdir(parents=True)
    stays_up.touch()
    home.run("problems", "list")
    yield home
    home.run("down")


def connection_to(home: CommandHome) -> psycopg.Connection[tuple[object, ...]]:
    url = f"postgresql://postgres:@/postgres?host={home.path}/postgres"
    return psycopg.connect(url, autocommit=True)


def stored(home: CommandHome) -> tuple[object, ...] | None:
    """How much a home holds."""
    with connection_to(home) as connection:
        return connection.execute(
            "SELECT (SELECT count(*) FROM problems), (SELECT count(*) FROM runs)"
        ).fetchone()


def lines(*problems: object) -> bytes:
    return b"\n".join(p if isinstance(p, bytes) else json.dumps(p).encode() for p in problems)


def refused(home: CommandHome, *command: str) -> str:
    """The one sentence of a command that must fail."""
    output = home.run(*command, expect=1)
    errors = [line for line in output.splitlines() if line.startswith("Error: ")]
    assert len(errors) == 1, output
    assert "Traceback" not in output
    return errors[0]


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (lines(GOOD, b'{"question": '), ("line 2",)),
        (lines(GOOD, {"id": "b", "answer": "4"}), ("line 2", "question")),
        (b"", ("holds no problems",)),
        (b"\xff\xfe\x00", ("UTF-8",)),
        (lines(GOOD, {**GOOD, "question": "What is 5 + 5?", "answer": "10"}), ("line 2", "id")),
        (lines(GOOD, {**GOOD, "id": "b", "answer": "4"}), ("line 2", "line 1")),
        (
            lines(GOOD, {"id": "b", "question": "What?", "answer": "\\frac{1}{"}),
            ("line 2", "--skip-bad"),
        ),
    ],
    ids=["malformed", "missing field", "empty", "not UTF-8", "same id", "conflict", "ungradable"],
)
def test_a_bad_source_imports_nothing(
    home: CommandHome, tmp_path: Path, content: bytes, said: tuple[str, ...]
) -> None:
    source = tmp_path / "problems.jsonl"
    source.write_bytes(content)
    before = stored(home)
    sentence = refused(home, "problems", "import", str(source))
    assert "problems.jsonl" in sentence
    for words in said:
        assert words in sentence
    assert stored(home) == before


def test_what_cannot_be_used_is_left_out_and_written_beside_the_source(
    home: CommandHome, tmp_path: Path
) -> None:
    source = tmp_path / "partly.jsonl"
    good = {"id": "partly", "question": "What is 40 + 2?", "answer": "42"}
    spelled = {"question": "What is 40 + 2?", "answer": r"\$ 42"}
    source.write_bytes(lines(b"{", {"question": "Left out?", "answer": ""}, good, spelled))
    output = home.run("problems", "import", str(source), "--skip-bad")
    assert "Imported 1 problems" in output
    assert "2 cannot be used and were left out" in output
    left_out = (tmp_path / "partly.jsonl.rejects.jsonl").read_text().splitlines()
    assert [json.loads(line)["where"] for line in left_out] == [
        f"partly.jsonl line {k}" for k in (1, 2, 4)
    ]


def test_a_missing_source_is_named(home: CommandHome) -> None:
    assert "nowhere.jsonl" in refused(home, "problems", "import", "nowhere.jsonl")


def test_a_problem_that_is_repeated_is_skipped_and_said(home: CommandHome, tmp_path: Path) -> None:
    source = tmp_path / "problems.jsonl"
    source.write_bytes(lines(GOOD, {**GOOD, "id": "b"}))
    output = home.run("problems", "import", str(source))
    assert "Imported 1 problems" in output
    assert "1 stand in the source more than once" in output
    assert "1 were stored already" in home.run("problems", "import", str(source))


def test_an_unknown_model_folder_is_named(home: CommandHome, sums: Path) -> None:
    before = stored(home)
    home = CommandHome(home.path, {"STEPFORGE_BASE_MODEL": "/no/such/model"})
    sentence = refused(home, "evolve", "sums", "--profile", str(PROFILE), "--source", str(sums))
    assert "/no/such/model" in sentence
    assert "STEPFORGE_BASE_MODEL" in sentence
    assert stored(home) == before


def test_a_home_of_an_unknown_schema_is_refused(home: CommandHome) -> None:
    with connection_to(home) as connection:
        (version,) = connection.execute("SELECT version_num FROM alembic_version").fetchone() or ()
        connection.execute("UPDATE alembic_version SET version_num = '0000'")
        try:
            assert "STEPFORGE_HOME" in refused(home, "trees", "list")
        finally:
            connection.execute("UPDATE alembic_version SET version_num = %s", [version])


def test_a_taken_port_is_named(home: CommandHome) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        sentence = refused(CommandHome(home.path, {"STEPFORGE_MODEL_PORT": str(port)}), "up")
    assert str(port) in sentence
    assert "STEPFORGE_MODEL_PORT" in sentence


@pytest.mark.skipif(os.geteuid() != 0, reason="mounting a small disk needs root")
def test_a_full_disk_is_said_and_keeps_what_was_there(tmp_path: Path) -> None:
    disk = tmp_path / "disk"
    disk.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=12m,mode=755", "tmpfs", str(disk)],
        capture_output=True,
        check=False,
    )
    if mounted.returncode != 0:
        pytest.skip(f"a small disk cannot be mounted: {mounted.stderr.decode().strip()}")
    try:
        sentence = refused(CommandHome(disk / "home"), "problems", "list")
        assert str(disk) in sentence
        assert "room" in sentence or "full" in sentence
    finally:
        subprocess.run(["umount", "-l", str(disk)], check=True)
