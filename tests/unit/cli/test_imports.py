"""A command loads the libraries that it needs, so that the others do not wait for them."""

from __future__ import annotations

import subprocess
import sys

import pytest

SLOW = frozenset(
    {
        *("aiohttp", "alembic", "celery", "datasets", "datasketch", "docker", "duckdb"),
        *("math_verify", "numpy", "prefect", "pyarrow", "redis", "scipy", "sqlalchemy", "sympy"),
        *("torch", "transformers", "trl"),
    }
)


def loaded(code: str) -> set[str]:
    """The slow libraries that a fresh interpreter has loaded after running some code."""
    report = f"{code}; import sys; sys.stderr.write(' '.join(sys.modules))"
    ran = subprocess.run([sys.executable, "-c", report], capture_output=True, check=True, text=True)
    return SLOW & set(ran.stderr.split())


@pytest.mark.parametrize("words", [["--help"], ["cookbook"], ["trees", "show", "--help"]])
def test_help_and_the_cookbook_load_no_slow_library(words: list[str]) -> None:
    code = f"from flows.cli import app; app({words}, standalone_mode=False)"
    assert loaded(code) == set()


def test_engines_are_stopped_without_the_libraries_that_speak_to_them() -> None:
    assert loaded("import services.embedded.engines") == set()


@pytest.mark.parametrize(
    "command",
    [
        "db.queries.problems",  # problems list
        "db.queries.trees",  # trees list, trees show
        "services.problems.store",  # problems import
        "services.curation.versions",  # datasets
        "services.archives.lifecycle",  # rounds, db check
        "services.relabelling.relabel",  # relabel
        "services.cli.report",  # report
        "services.runs",  # demo, evolve
    ],
)
def test_commands_on_the_database_load_its_library_alone(command: str) -> None:
    code = f"import services.embedded.engines, services.stages, db.migrate, {command}"
    assert loaded(code) <= {"sqlalchemy"}


def test_the_state_of_the_engines_is_found_without_a_client_of_theirs() -> None:
    assert loaded("import services.status") <= {"sqlalchemy"}
