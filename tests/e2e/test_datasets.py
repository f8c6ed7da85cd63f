"""A user's way with data: trees come in, versions are made, compared and exported."""

from __future__ import annotations

import json
from pathlib import Path

import datasets as hub
import pytest

from tests.e2e.conftest import CommandHome
from tests.integration.released.trees import record, sampled, scored, written


@pytest.mark.slow
def test_imported_trees_become_versions_and_exports(tmp_path: Path) -> None:
    home = CommandHome(tmp_path / "home")
    trees = written(
        tmp_path / "trees.jsonl",
        record(sampled()),
        record(scored(), "What is 3 + 3?", "6"),
    )
    bench = tmp_path / "bench.jsonl"
    bench.write_text(json.dumps({"id": "7", "question": "What is 3 + 3?", "answer": "6"}))
    try:
        home.run("problems", "list")
        (home.path / "run" / "stays-up").touch()
        assert "Imported 2 trees (12 nodes)" in home.run(
            "trees", "import", str(trees), "--run", "theirs"
        )
        assert "Made version all: 2 sft items" in home.run(
            "datasets", "create", "all", "--spec", "sft"
        )
        assert "the same content" in home.run("datasets", "create", "all", "--spec", "sft")
        home.run(
            *("datasets", "create", "clean", "--spec", "sft", "--run", "theirs"),
            *("--decontaminate", str(bench)),
        )
        home.run("datasets", "create", "steps", "--spec", "stepwise")
        listed = home.run("datasets", "list")
        assert all(name in listed for name in ("all", "clean", "steps"))
        shown = home.run("datasets", "show", "clean")
        assert "bench.jsonl" in shown
        assert "ngram" in shown
        assert "in this version alone" in home.run("datasets", "diff", "all", "clean")
        out = tmp_path / "out"
        command = ("datasets", "export", "steps", "--to", str(out), "--format", "stepwise")
        assert "1 written now" in home.run(*command, "--as", "parquet")
        assert "0 written now" in home.run(*command, "--as", "parquet")
        refused = home.run("datasets", "export", "all", "--to", str(out), expect=1)
        assert "holds another export" in refused
        left_out = home.query("SELECT rule, benchmark_item FROM dataset_exclusions")
        assert left_out == [{"rule": "ngram", "benchmark_item": "7"}]
    finally:
        home.run("down")
    rows = hub.load_dataset(str(out), cache_dir=str(tmp_path / "cache"))["train"]
    assert sorted(map(tuple, rows["labels"])) == [(0, 0, 0), (0, 1, 1), (1, 1)]
