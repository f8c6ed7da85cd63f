"""Likeness of questions: words in a row, and Jaccard similarity found by MinHash.

MinHash only proposes: every pair that it finds is compared exactly, so a score that is stored is
the true similarity. The permutations have a fixed seed, so the same questions give the same pairs.
"""

from __future__ import annotations

import re
import unicodedata
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from datasketch import MinHash

Shingles = frozenset[str]

SHINGLE_WORDS = 3
_PERMUTATIONS = 128
_SEED = 1
_WORD = re.compile(r"\w+(?:[.,]\d+)*|[^\w\s]")
_SLACK = 0.2
_FALSE_ALARMS, _MISSES = 0.1, 0.9
"""Proposals begin this far below the threshold, and a miss weighs more than a false alarm: of pairs
at a threshold of 0.7 or more 9,998 of 10,000 are proposed, 1 - (1 - 0.7**4)**32."""


def words(text: str) -> list[str]:
    """The words, numbers and signs of a text, in lower case; formatting is left out."""
    plain = unicodedata.normalize("NFKC", text).casefold()
    return _WORD.findall(plain.replace("$", " ").replace("\\", " "))


def ngrams(text_words: Sequence[str], length: int) -> Iterator[str]:
    """Every run of `length` words; none where there are fewer."""
    for start in range(len(text_words) - length + 1):
        yield " ".join(text_words[start : start + length])


def shingles(text_words: Sequence[str]) -> Shingles:
    """The runs of three words; of a shorter text the text itself."""
    return frozenset(ngrams(text_words, SHINGLE_WORDS)) or frozenset((" ".join(text_words),))


def jaccard(left: Shingles, right: Shingles) -> float:
    """Shared shingles over all of them, 0 to 1."""
    return len(left & right) / max(len(left | right), 1)


class SimilarTexts:
    """Texts by key, asked for the ones that are like a given one."""

    def __init__(self, threshold: float) -> None:
        """`threshold` is a Jaccard similarity above 0, at most 1."""
        self._threshold = threshold
        # Only here, so that commands without likeness do not wait for scipy, which comes with it.
        from datasketch import MinHashLSH

        self._index = MinHashLSH(
            threshold=max(threshold - _SLACK, 0.05),
            num_perm=_PERMUTATIONS,
            weights=(_FALSE_ALARMS, _MISSES),
        )
        self._shingles: dict[int, Shingles] = {}

    def nearest(self, text_shingles: Shingles) -> tuple[int, float] | None:
        """The most similar text at or above the threshold, of equal ones the smallest key."""
        proposed: list[int] = self._index.query(_sketch(text_shingles))
        scored = [(-jaccard(text_shingles, self._shingles[key]), key) for key in proposed]
        best = min(scored, default=(0.0, 0))
        return (best[1], -best[0]) if -best[0] >= self._threshold else None

    def add(self, key: int, text_shingles: Shingles) -> None:
        """Remember a text; its key must be new."""
        self._shingles[key] = text_shingles
        self._index.insert(key, _sketch(text_shingles))


def _sketch(text_shingles: Shingles) -> MinHash:
    from datasketch import MinHash

    sketch = MinHash(num_perm=_PERMUTATIONS, seed=_SEED)
    sketch.update_batch([shingle.encode() for shingle in sorted(text_shingles)])
    return sketch
