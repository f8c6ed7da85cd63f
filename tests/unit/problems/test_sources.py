"""Sources are read row by row, and each thing wrong with one is told in a sentence."""

import hashlib
import json
from collections.abc import Callable, Mapping
from pathlib import Path

import pyarrow
import pyarrow.parquet
import pytest

from services.errors import ProblemImportError
from services.problems.records import ProblemRecord, content_hash, parse_mapping
from services.problems.sources import read_source

Lines = Callable[..., str]


@pytest.fixture
def lines(tmp_path: Path) -> Lines:
    """Writes rows, or raw bytes, as the lines of a file and gives its path."""

    def write(*rows: object, name: str = "some.jsonl") -> str:
        path = tmp_path / name
        raw = [row if isinstance(row, bytes) else json.dumps(row).encode() for row in rows]
        path.write_bytes(b"\n".join(raw))
        return str(path)

    return write


def read(
    source: str, *, limit: int | None = None, seed: int = 0, mapping: Mapping[str, str] = {}
) -> list[ProblemRecord]:
    return list(read_source(source, limit=limit, seed=seed, mapping=mapping))


def refusal(source: str, *, limit: int | None = None, mapping: Mapping[str, str] = {}) -> str:
    with pytest.raises(ProblemImportError) as refused:
        read(source, limit=limit, mapping=mapping)
    return str(refused.value)


def test_json_lines_are_read_with_their_places(lines: Lines) -> None:
    source = lines(
        {"id": "a", "question": "2 + 2?", "answer": "4", "solution": "2 + 2 = 4"},
        b"",
        {"question": " 3 + 3? ", "answer": 6},
    )
    first, second = read(source)
    assert first == ProblemRecord(
        "some.jsonl", "a", "2 + 2?", "4", "2 + 2 = 4", "some.jsonl line 1"
    )
    assert (second.question, second.answer, second.solution) == ("3 + 3?", "6", None)
    assert second.where == "some.jsonl line 3"
    assert second.external_id == content_hash("3 + 3?").hex()[:16]


def test_a_json_array_is_read(tmp_path: Path) -> None:
    path = tmp_path / "some.json"
    path.write_text(json.dumps([{"question": "2 + 2?", "answer": 4}]))
    [record] = read(str(path))
    assert (record.answer, record.where) == ("4", "some.json entry 1")


def test_parquet_is_read(tmp_path: Path) -> None:
    path = tmp_path / "some.parquet"
    table = pyarrow.table({"problem": ["2 + 2?", "3?"], "answer": [4.0, None], "unique_id": [7, 8]})
    pyarrow.parquet.write_table(table, path)
    first, second = read(str(path))
    assert (first.external_id, first.question, first.answer) == ("7", "2 + 2?", "4")
    assert (second.answer, second.where) == (None, "some.parquet row 2")


def test_the_original_form_of_gsm8k_is_understood(lines: Lines) -> None:
    [record] = read(lines({"question": "Clips?", "answer": "48/2 = <<48/2=24>>24\n#### 1,024"}))
    assert (record.answer, record.solution) == ("1,024", "48/2 = <<48/2=24>>24")


def test_fields_may_have_other_names(lines: Lines) -> None:
    source = lines({"uid": 5, "prompt": "2 + 2?", "target": 4, "rationale": "2 + 2 = 4"})
    mapping = parse_mapping("question=prompt, answer=target,id=uid,solution=rationale")
    [record] = read(source, mapping=mapping)
    assert (record.external_id, record.question, record.answer, record.solution) == (
        *("5", "2 + 2?", "4", "2 + 2 = 4"),
    )


@pytest.mark.parametrize(
    ("written", "answer"),
    [
        (72, "72"),
        (72.0, "72"),
        (0.5, "0.5"),
        (-3, "-3"),
        ("1/2", "1/2"),
        (" 7 ", "7"),
        (None, None),
        (True, "true"),
        (False, "false"),
        (["1/2", 0.5], '["1/2", "0.5"]'),
        ("\u00bd", "\u00bd"),
    ],
)
def test_answers_become_text(lines: Lines, written: object, answer: str | None) -> None:
    [record] = read(lines({"question": "?", "answer": written}))
    assert record.answer == answer


def test_a_limit_takes_the_first_rows_and_reads_no_further(lines: Lines) -> None:
    source = lines({"question": "a"}, {"question": "b"}, b"not json")
    assert [record.question for record in read(source, limit=2)] == ["a", "b"]


def test_a_byte_order_mark_is_no_part_of_the_first_line(lines: Lines) -> None:
    [record] = read(lines(b"\xef\xbb\xbf" + b'{"question": "a"}'))
    assert record.question == "a"


def test_text_that_postgres_cannot_hold_is_cleaned(lines: Lines) -> None:
    [record] = read(lines(b'{"question": "a\\u0000b \\ud800", "answer": "1\\u0000"}'))
    assert (record.question, record.answer) == ("ab ?", "1")


@pytest.mark.parametrize(
    ("row", "told"),
    [
        (b"{", "line 2 is not JSON"),
        (b'{"question": "\xff"}', "line 2 is not UTF-8 (byte 15)"),
        (b"[" * 100_000, "line 2 is not JSON"),
        (b'{"question": "' + b"a" * (4 << 20) + b'"}', "line 2 is longer than 4,194,304 bytes"),
        ([], "line 2 is a list, not an object"),
        ("text", "line 2 is text, not an object"),
        ({"q": "2?"}, "line 2 has no field 'question' (its fields: q)"),
        ({}, "line 2 has no field 'question' (its fields: none)"),
        ({"question": None}, "line 2 has no field 'question'"),
        ({"question": 5}, "line 2 has a number as its question"),
        ({"question": ["a"]}, "line 2 has a list as its question"),
        ({"question": " \n"}, "line 2 has an empty question"),
        ({"question": "a" * 20_001}, "line 2 has a question of 20,001 characters"),
        ({"question": "a", "answer": {}}, "line 2 has an object as its answer"),
        ({"question": "a", "answer": []}, "line 2 has a list as its answer"),
        ({"question": "a", "answer": [[1]]}, "line 2 has a list as its answer"),
        (b'{"question": "a", "answer": NaN}', "line 2 has a number as its answer"),
        ({"question": "a", "answer": ""}, "line 2 has an empty answer"),
        ({"question": "a", "answer": "so ####"}, "line 2 has an empty answer"),
        ({"question": "a", "answer": "1" * 2001}, "line 2 has an answer of 2,001 characters"),
        ({"question": "a", "solution": 5}, "line 2 has a number as its solution"),
        ({"question": "a", "id": 0.5}, "line 2 has a number as its id"),
    ],
)
def test_a_bad_line_is_told_with_its_place(lines: Lines, row: object, told: str) -> None:
    message = refusal(lines({"question": "fine", "answer": 1}, row))
    assert message.startswith("some.jsonl")
    assert told in message
    assert message.endswith(".")
    assert ";" in message, "it says what to do"


def test_a_field_that_the_mapping_names_must_be_there(lines: Lines) -> None:
    message = refusal(lines({"question": "a"}), mapping={"answer": "target"})
    assert "line 1 has no field 'target', which the mapping names for 'answer'" in message


@pytest.mark.parametrize("text", ["question", "question=", "=prompt", "title=prompt"])
def test_a_mapping_of_another_form_is_refused(text: str) -> None:
    with pytest.raises(ProblemImportError, match="question=prompt"):
        parse_mapping(text)


def test_an_empty_file_is_refused(lines: Lines, tmp_path: Path) -> None:
    assert "holds no problems" in refusal(lines(b"\n\n"))
    for name, content in (("a.json", b"[]"), ("b.json", b"")):
        (tmp_path / name).write_bytes(content)
        assert "holds no problems" in refusal(str(tmp_path / name))


def test_a_json_file_must_hold_a_list(tmp_path: Path) -> None:
    path = tmp_path / "some.json"
    path.write_text('{"question": "a"}')
    assert "is not a JSON list" in refusal(str(path))
    path.write_text('{"question": "a"}\n{"question": "b"}')
    assert "name the file .jsonl" in refusal(str(path))


def test_files_that_are_none_are_refused(tmp_path: Path) -> None:
    assert "does not exist" in refusal(str(tmp_path / "absent.jsonl"))
    (tmp_path / "folder.jsonl").mkdir()
    assert "is a folder" in refusal(str(tmp_path / "folder.jsonl"))
    assert "give a .jsonl, .json or .parquet" in refusal(str(tmp_path / "table.csv"))
    assert "give a .jsonl, .json or .parquet" in refusal("")
    broken = tmp_path / "broken.parquet"
    broken.write_bytes(b"PAR1 and nothing else")
    assert "is not a readable Parquet file" in refusal(str(broken))


def test_gym_problems_depend_on_the_seed_alone() -> None:
    first = read("gym:gsm_symbolic", limit=5, seed=3)
    assert first == read("gym:gsm_symbolic", limit=5, seed=3)
    assert first != read("gym:gsm_symbolic", limit=5, seed=4)
    assert all(record.answer and record.solution for record in first)
    assert [record.external_id for record in first] == [f"gsm_symbolic-3-{k}" for k in range(5)]
    assert not any("Do not include units" in record.question for record in first)


def test_gym_problems_without_a_worked_solution_have_none() -> None:
    [record] = read("gym:chain_sum", limit=1)
    assert record.solution is None


def test_a_gym_source_needs_a_known_name_and_a_limit() -> None:
    assert "'nonsense'" in refusal("gym:nonsense", limit=5)
    assert "has no end" in refusal("gym:gsm_symbolic")


@pytest.mark.parametrize("name", ["hf:", "hf:a:b:c:d"])
def test_a_hub_source_has_a_form(name: str) -> None:
    assert "hf:openai/gsm8k:main:train" in refusal(name)


def test_the_hash_of_a_question_ignores_case_width_and_space() -> None:
    digest = content_hash("How many  clips?\n")
    assert digest == content_hash("how many clips?") == content_hash("\uff28ow many clips?")
    assert digest != content_hash("How many clops?")
    assert digest == hashlib.sha256(b"how many clips?").digest()
