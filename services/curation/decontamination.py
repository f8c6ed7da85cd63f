"""Which problems a benchmark gives away, or repeat an earlier problem of the version.

A problem is contaminated where it shares a run of words with a benchmark item (13 of them, as has
been usual since GPT-3, arXiv 2005.14165 appendix C; of a shorter item all of its words), or is
similar to it as a whole. Every problem that is left out is reported with the item and the evidence.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from db.records.datasets import ExclusionRecord
from db.vocabulary import ExclusionRule
from services.curation.similarity import SimilarTexts, ngrams, shingles, words
from services.problems.sources import read_source

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from db.records.datasets import ProblemText
    from services.curation.spec import Decontamination

_EVIDENCE_CHARACTERS = 300


@dataclass(frozen=True, slots=True)
class Benchmark:
    """The questions of a benchmark by the ids of its items."""

    name: str
    sha256: str
    """Over ids and questions, in order: which edition of the benchmark it was."""
    questions: Mapping[str, str]


def read_benchmark(source: str, *, limit: int | None = None) -> Benchmark:
    """A benchmark from any problem source: a .jsonl, .json or .parquet file, gym:..., hf:...

    Raises:
        ProblemImportError: the source cannot be read; says where.
    """
    digest = hashlib.sha256()
    questions: dict[str, str] = {}
    for record in read_source(source, limit=limit, seed=0, mapping={}):
        questions[record.external_id] = record.question
        digest.update(f"{record.external_id}\n{record.question}\n".encode())
    name = Path(source).name if Path(source).suffix else source
    return Benchmark(name, digest.hexdigest(), questions)


def contaminated(
    problems: Iterable[ProblemText], benchmarks: Iterable[Benchmark], rules: Decontamination
) -> list[ExclusionRecord]:
    """The problems that a benchmark gives away, each with its strongest evidence."""
    index = _BenchmarkIndex(rules)
    for benchmark in benchmarks:
        index.add(benchmark)
    found = (index.find(problem) for problem in problems)
    return [exclusion for exclusion in found if exclusion is not None]


def near_duplicates(problems: Iterable[ProblemText], threshold: float) -> list[ExclusionRecord]:
    """The problems that are almost an earlier one; of every such pair the earlier is kept."""
    kept = SimilarTexts(threshold)
    questions: dict[int, str] = {}
    found = []
    for problem in problems:
        text_shingles = shingles(words(problem.question))
        nearest = kept.nearest(text_shingles)
        if nearest is None:
            kept.add(problem.problem_id, text_shingles)
            questions[problem.problem_id] = problem.question
            continue
        earlier, score = nearest
        found.append(
            ExclusionRecord(
                problem_id=problem.problem_id,
                rule=ExclusionRule.NEAR_DUPLICATE,
                score=score,
                evidence=questions[earlier][:_EVIDENCE_CHARACTERS],
                duplicate_of=earlier,
            )
        )
    return found


class _BenchmarkIndex:
    """Benchmark items by their n-grams and by their MinHash."""

    def __init__(self, rules: Decontamination) -> None:
        self._rules = rules
        self._items: list[tuple[str, str, str]] = []
        self._grams: dict[int, dict[str, list[int]]] = {}
        self._gram_counts: list[int] = []
        self._similar = SimilarTexts(rules.similarity)

    def add(self, benchmark: Benchmark) -> None:
        """Index every item of a benchmark."""
        for item_id, question in benchmark.questions.items():
            number = len(self._items)
            item_words = words(question)
            self._items.append((benchmark.name, item_id, question))
            self._similar.add(number, shingles(item_words))
            length = min(self._rules.ngram, len(item_words))
            grams = set(ngrams(item_words, length)) if length >= self._rules.shortest else set()
            self._gram_counts.append(len(grams))
            for gram in grams:
                self._grams.setdefault(length, {}).setdefault(gram, []).append(number)

    def find(self, problem: ProblemText) -> ExclusionRecord | None:
        """The strongest sign that a benchmark holds this problem; None where there is none."""
        problem_words = words(problem.question)
        hits: dict[int, list[str]] = {}
        for length, known in self._grams.items():
            for gram in dict.fromkeys(ngrams(problem_words, length)):
                for number in known.get(gram, ()):
                    hits.setdefault(number, []).append(gram)
        if hits:
            shares = {n: len(grams) / self._gram_counts[n] for n, grams in hits.items()}
            number = min(shares, key=lambda n: (-shares[n], n))
            return self._exclusion(
                problem, number, ExclusionRule.NGRAM, shares[number], hits[number][0]
            )
        nearest = self._similar.nearest(shingles(problem_words))
        if nearest is None:
            return None
        number, score = nearest
        return self._exclusion(
            problem, number, ExclusionRule.MINHASH, score, self._items[number][2]
        )

    def _exclusion(
        self, problem: ProblemText, number: int, rule: ExclusionRule, score: float, evidence: str
    ) -> ExclusionRecord:
        name, item_id, _ = self._items[number]
        return ExclusionRecord(
            problem_id=problem.problem_id,
            rule=rule,
            score=score,
            evidence=evidence[:_EVIDENCE_CHARACTERS],
            benchmark=name,
            benchmark_item=item_id,
        )
