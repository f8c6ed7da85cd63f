"""Long text keeps its beginning and its end, whoever made it and however it came in."""

from __future__ import annotations

import random
import re
import tracemalloc

import pytest

from services.sandbox.guest.shortening import NOTE_CHARACTERS, Printed, shorten
from services.steps import OBSERVATION_CHARACTERS, shown_error, shown_observation

TABLE = "".join(f"row {number}\n" for number in range(200)) + "result: 42\n"


def printed(text: bytes, limit: int, *, pieces: int = 7) -> Printed:
    kept = Printed(limit)
    for start in range(0, len(text), pieces):
        kept.add(text[start : start + pieces])
    return kept


def test_what_fits_is_left_as_it_is() -> None:
    assert shorten("x" * 300, 300) == "x" * 300
    kept = printed(b"x" * 300, 300)
    assert kept.text() == "x" * 300
    assert not kept.is_cut


def test_the_result_after_a_long_table_is_shown_to_the_policy() -> None:
    shown = shown_observation(TABLE)
    assert shown.startswith("row 0\n")
    assert shown.endswith("\nresult: 42")
    assert len(shown) <= OBSERVATION_CHARACTERS


def test_what_is_left_out_is_counted() -> None:
    for cut in (shorten(TABLE, 400), printed(TABLE.encode(), 400).text()):
        head, note, tail = re.split(r"\[\.\.\. (.*) left out\]\n", cut)
        left = TABLE[len(head) : len(TABLE) - len(tail)]
        assert head + left + tail == TABLE
        assert note == f"{len(left):,} characters in {left.count(chr(10)):,} lines"


def test_what_two_cuts_left_out_is_counted_together() -> None:
    twice = shown_observation(printed(TABLE.encode() * 50, 4096).text())
    note = re.search(r"\[\.\.\. ([\d,]+) characters in ([\d,]+) lines left out\]\n", twice)
    assert note is not None
    head, tail = twice.split(note.group())
    assert int(note[1].replace(",", "")) == 50 * len(TABLE) - 1 - len(head) - len(tail)
    assert int(note[2].replace(",", "")) == 50 * 201 - twice.count("\n")


def test_one_long_line_is_cut_in_its_middle() -> None:
    digits = "".join(str(number) for number in range(2000))
    cut = shorten(digits, 400)
    assert len(cut) <= 400
    assert cut[:100] == digits[:100]
    assert cut[-100:] == digits[-100:]
    assert " lines" not in cut


@pytest.mark.parametrize("seed", range(20))
def test_no_code_point_is_split_and_none_is_lost_count_of(seed: int) -> None:
    chance = random.Random(seed)
    text = "".join(chance.choice("aé€😀\n") for _ in range(chance.randrange(300, 3000)))
    kept = printed(text.encode(), 256, pieces=chance.randrange(1, 50))
    cut = kept.text()
    assert kept.is_cut == (len(text.encode()) > 256)
    if kept.is_cut:
        note = re.search(r"\n?\[\.\.\. ([\d,]+) characters(?: in [\d,]+ lines)? left out\]\n", cut)
        assert note is not None
        head, tail = cut[: note.start()], cut[note.end() :]
        assert text.startswith(head)
        assert text.endswith(tail)
        left = len(text) - len(head) - len(tail)
        # The line break before the note is the program's or ours.
        assert int(note[1].replace(",", "")) in (left, left - 1)
        assert "�" not in cut
        assert len(cut.encode()) <= 256


def test_an_endless_output_takes_no_more_memory_than_its_limit() -> None:
    kept = Printed(4096)
    tracemalloc.start()
    for _ in range(2000):
        kept.add(b"x" * 65536)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 4 * 65536
    assert f"{2000 * 65536 - (4096 - NOTE_CHARACTERS):,} characters left out" in kept.text()


def test_an_exception_keeps_its_beginning_and_its_end() -> None:
    shown = shown_error(f"ValueError: {'x' * 5000} is not 7")
    assert shown.startswith("ValueError: xxx")
    assert shown.endswith("xxx is not 7")
