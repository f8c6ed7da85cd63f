"""Problems in the forms that others publish are read without a mapping."""

import json
from pathlib import Path

import pyarrow
import pyarrow.parquet
import pytest

from services.errors import ProblemImportError
from services.problems.records import ProblemRecord, parse_mapping, read_record

QUESTION = "A crate holds 6 jars and a shelf holds 4 crates. How many jars are on the shelf?"
DAPO = (
    "Solve the following math problem step by step. The last line of your response should be of "
    "the form Answer: $Answer (without quotes) where $Answer is the answer to the problem.\n\n"
    f'{QUESTION}\n\nRemember to put your answer on its own line after "Answer:".'
)


def said(*messages: tuple[str, str]) -> list[dict[str, str]]:
    return [{"role": role, "content": content} for role, content in messages]


def read(row: object, mapping: str = "") -> ProblemRecord:
    return read_record(row, source="s", where="s line 1", mapping=parse_mapping(mapping))


def in_verl(content: str) -> dict[str, object]:
    return {
        "data_source": "jars",
        "prompt": said(("system", "Be brief."), ("user", content)),
        "reward_model": {"ground_truth": "24", "style": "rule"},
        "extra_info": {"index": 3},
    }


FORMS: dict[str, dict[str, object]] = {
    "verl": in_verl(QUESTION),
    "DAPO": in_verl(DAPO),
    "verl's GSM8K": in_verl(
        QUESTION + ' Let\'s think step by step and output the final answer after "####".'
    ),
    "OpenRLHF": {"prompt": said(("user", DAPO)), "label": "24"},
    "OpenRLHF of text": {"input": QUESTION, "label": "24"},
    "open-instruct": {
        "messages": said(("user", QUESTION)),
        "ground_truth": "24",
        "dataset": "jars",
    },
    "PRM800K": {"question": {"problem": QUESTION, "ground_truth_answer": "24"}, "label": {}},
    "NuminaMath 1.5": {"problem": QUESTION, "answer": "24", "problem_is_valid": "Yes"},
    "NuminaMath CoT": {"problem": QUESTION, "solution": r"$6\cdot4=\boxed{24}$", "messages": []},
    "MATH": {"problem": QUESTION, "level": "Level 1", "solution": r"It is $\boxed{24}$."},
    "GSM8K": {"question": QUESTION, "answer": "6*4=24\n#### 24"},
}


@pytest.mark.parametrize("row", FORMS.values(), ids=FORMS)
def test_a_public_form_is_read_without_a_mapping(row: object) -> None:
    record = read(row)
    assert (record.question, record.answer) == (QUESTION, "24")


def test_a_dapo_file_of_parquet_is_read(tmp_path: Path) -> None:
    from services.problems.sources import read_source

    path = tmp_path / "dapo.parquet"
    pyarrow.parquet.write_table(pyarrow.Table.from_pylist([in_verl(DAPO)]), path)
    [record] = read_source(str(path), limit=None, seed=0, mapping={})
    assert (record.question, record.answer) == (QUESTION, "24")


def test_instructions_stay_where_the_form_is_not_known_to_have_them() -> None:
    assert read({"question": DAPO, "answer": "24"}).question == DAPO


def test_a_proof_has_no_answer() -> None:
    assert read({**FORMS["NuminaMath 1.5"], "answer": "proof"}).answer is None


def test_a_solution_without_a_box_gives_no_answer() -> None:
    assert read({"problem": QUESTION, "solution": "By counting."}).answer is None


def test_a_mapping_leads_into_nested_fields() -> None:
    row = {"chat": said(("user", QUESTION)), "a.b": "here"}
    assert read(row, "question=chat.0.content,answer=a.b").answer == "here"
    assert read(row, "question=chat").question == QUESTION


def test_of_a_chat_the_last_user_message_is_the_question() -> None:
    chat = said(("user", "Hello."), ("assistant", "Hello."), ("user", QUESTION))
    assert read({"prompt": chat}, "question=prompt").question == QUESTION


@pytest.mark.parametrize("path", ["chat.1.content", "chat.-1.content", "chat.x", "text.0", "none"])
def test_a_path_that_leads_nowhere_is_told(path: str) -> None:
    row = {"chat": said(("user", QUESTION)), "text": "abc"}
    with pytest.raises(ProblemImportError, match=f"no field '{path}', which the mapping names"):
        read(row, f"question={path}")


def test_a_question_of_another_shape_is_still_told() -> None:
    with pytest.raises(ProblemImportError, match="has a list as its question"):
        read(json.loads('{"question": ["a"]}'))
