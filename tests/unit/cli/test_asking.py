"""Answers are tables for people, JSON and CSV for programs; parameters are read or named."""

from __future__ import annotations

import csv
import io
import json
from datetime import UTC, datetime
from decimal import Decimal

import pytest
from typer.testing import CliRunner

from db.errors import QueryRejected
from db.queries.readonly import QueryResult
from services.cli.app import app
from services.cli.results import Form, write

ANSWER = QueryResult(
    columns=("name", "share", "count", "at", "spec", "gone", "hash"),
    rows=(
        (
            "a,\x1b[31m\n",
            Decimal("0.25"),
            Decimal("3"),
            datetime(2026, 1, 2, tzinfo=UTC),
            {"k": [1, Decimal("0.5")]},
            None,
            b"\xff",
        ),
    ),
    cut="",
)


def test_json_keeps_numbers_and_structures(capsys: pytest.CaptureFixture[str]) -> None:
    write(ANSWER, Form.JSON)
    assert json.loads(capsys.readouterr().out) == [
        {
            "name": "a,\x1b[31m\n",
            "share": 0.25,
            "count": 3,
            "at": "2026-01-02T00:00:00+00:00",
            "spec": {"k": [1, 0.5]},
            "gone": None,
            "hash": "ff",
        }
    ]


def test_two_columns_of_one_name_are_no_json_object() -> None:
    twins = QueryResult(columns=("id", "id"), rows=((1, 2),), cut="")
    with pytest.raises(QueryRejected, match=r"Two columns are called id.* with AS"):
        write(twins, Form.JSON)


def test_numbers_without_end_are_written(capsys: pytest.CaptureFixture[str]) -> None:
    endless = QueryResult(columns=("n",), rows=((Decimal("Infinity"),), (Decimal("NaN"),)), cut="")
    write(endless, Form.CSV)
    assert capsys.readouterr().out.split() == ["n", "inf", "nan"]


def test_csv_has_names_and_empty_cells_for_null(capsys: pytest.CaptureFixture[str]) -> None:
    write(ANSWER, Form.CSV)
    names, row = csv.reader(io.StringIO(capsys.readouterr().out))
    assert names == list(ANSWER.columns)
    assert row == [
        *("a,\x1b[31m\n", "0.25", "3", "2026-01-02T00:00:00+00:00"),
        *('{"k": [1, 0.5]}', "", "ff"),
    ]


def test_a_table_shows_no_control_characters(capsys: pytest.CaptureFixture[str]) -> None:
    write(ANSWER, Form.TABLE)
    assert "\x1b[31m" not in capsys.readouterr().out


def test_no_rows_are_no_rows_in_every_form(capsys: pytest.CaptureFixture[str]) -> None:
    nothing = QueryResult(columns=("one",), rows=(), cut="")
    for form in Form:
        write(nothing, form)
    assert capsys.readouterr().out.splitlines() == ["No rows.", "[]", "one"]


def test_what_is_left_out_is_said_beside_the_answer(capsys: pytest.CaptureFixture[str]) -> None:
    write(QueryResult(("one",), ((1,),), cut="Only the first 1 rows are shown."), Form.JSON)
    captured = capsys.readouterr()
    assert json.loads(captured.out) == [{"one": 1}]
    assert captured.err == "Only the first 1 rows are shown. --max-rows sets how many.\n"


def test_the_cookbook_is_listed_without_a_database() -> None:
    listed = CliRunner().invoke(app, ["cookbook"])
    assert listed.exit_code == 0
    assert "training-row" in listed.output


def test_the_query_of_a_recipe_can_be_read() -> None:
    shown = CliRunner().invoke(app, ["cookbook", "yield", "--sql"])
    assert shown.output.startswith("-- question: What does each round yield")
    assert "%(run)s" in shown.output


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["nope"], "has no recipe 'nope'"),
        (["yield", "--limit=3"], "yield takes --run, --gpus; not --limit"),
        (["yield", "--gpus", "x"], "takes a value of type number, not 'x'"),
        (["yield", "gpus"], "written as --name=value; 'gpus' is not"),
        (["yield", "--gpus"], "written as --name=value; '--gpus' is not"),
    ],
)
def test_a_word_that_cannot_be_read_is_named(words: list[str], sentence: str) -> None:
    outcome = CliRunner().invoke(app, ["cookbook", *words])
    assert isinstance(outcome.exception, QueryRejected)
    assert sentence in str(outcome.exception)
