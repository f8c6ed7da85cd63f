"""Fingerprints of benchmark questions: enough to find a copy of one, nothing to read one from.

A question's words are lower-cased and its numbers masked, so that a copy with other numbers is one
too. Of every six words in a row, four bytes of a hash are kept; the file holds those of all
questions together, sorted.

    python -m tests.fingerprints PROBLEMS.jsonl ...

writes the file anew.
"""

from __future__ import annotations

import hashlib
import json
import re
import sys
import unicodedata
from collections.abc import Iterable
from pathlib import Path

FILE = Path(__file__).resolve().parent / "data" / "benchmark_fingerprints.bin"
BENCHMARKS = ("aime2024.jsonl", "gsm8k_test.jsonl", "math500.jsonl")
WORDS = 6
WINDOW = 24
"""Runs of words that are looked at together: a copy may stand in a longer text."""
FEWEST = 8
"""Runs of words below which a text says too little to be a copy."""
_BYTES = 4
_WORD = re.compile(r"\d[\d.,]*|[^\W\d_]+")


def runs(text: str) -> list[bytes]:
    """The hash of each run of words, in order."""
    folded = unicodedata.normalize("NFKC", text).lower()
    words = ["#" if word[0].isdigit() else word for word in _WORD.findall(folded)]
    return [
        hashlib.blake2b(
            " ".join(words[start : start + WORDS]).encode(), digest_size=_BYTES
        ).digest()
        for start in range(len(words) - WORDS + 1)
    ]


def known() -> frozenset[bytes]:
    """Those of the benchmarks."""
    stored = FILE.read_bytes()
    return frozenset(stored[k : k + _BYTES] for k in range(0, len(stored), _BYTES))


def overlap(text: str, of: frozenset[bytes]) -> float:
    """The largest share of known runs in any window of the text; 0 for a short text."""
    is_known = [run in of for run in runs(text)]
    if len(is_known) < FEWEST:
        return 0.0
    size = min(WINDOW, len(is_known))
    return max(
        sum(is_known[start : start + size]) / size for start in range(len(is_known) - size + 1)
    )


def packed(paths: Iterable[Path]) -> bytes:
    """What the file holds for these problems."""
    found = set()
    for path in paths:
        for line in path.read_text(encoding="utf-8").splitlines():
            found.update(runs(json.loads(line)["question"]))
    return b"".join(sorted(found))


if __name__ == "__main__":
    FILE.write_bytes(packed(map(Path, sys.argv[1:])))
