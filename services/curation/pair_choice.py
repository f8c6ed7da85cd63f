"""Which preference pairs become examples: the widest margins first, no pair of equal steps."""

from __future__ import annotations

from collections import Counter
from itertools import islice
from typing import TYPE_CHECKING

from rapidfuzz.distance import Levenshtein

from services.curation.items import pair_item, pair_texts, shared_steps
from services.curation.programs import fingerprint
from services.curation.reading import BATCH, paths_to, problems_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from db.records.datasets import DatasetItemRecord, PairCandidate
    from db.records.trees import PathStep
    from db.session import Database
    from services.curation.items import PairTexts
    from services.curation.spec import CurationSpec


def choose_pairs(
    database: Database,
    found: Iterable[PairCandidate],
    spec: CurationSpec,
    dropped: Counter[str],
) -> Iterator[DatasetItemRecord]:
    """Items in the order of the candidates; what is left out is counted in `dropped`."""
    choice = _Choice(spec)
    rest = iter(found)
    while batch := list(islice(rest, BATCH)):
        paths = paths_to(
            database,
            ((c.round_id, c.search_id, n) for c in batch for n in (c.chosen_no, c.rejected_no)),
        )
        problems = problems_of(database, (c.problem_id for c in batch))
        for candidate in batch:
            chosen = paths[candidate.round_id, candidate.search_id, candidate.chosen_no]
            rejected = paths[candidate.round_id, candidate.search_id, candidate.rejected_no]
            question = problems[candidate.problem_id].question
            texts = pair_texts(candidate.kind, question, chosen=chosen, rejected=rejected)
            rule = choice.breaks(candidate, texts, chosen, rejected)
            if rule is None:
                yield pair_item(candidate, texts, spec.pairs.weighting)
            else:
                dropped[rule] += 1


class _Choice:
    """Remembers what was taken, so that no pair is taken twice."""

    def __init__(self, spec: CurationSpec) -> None:
        self._spec = spec
        self._seen: set[tuple[int, str, bytes, bytes]] = set()
        self._taken: Counter[int] = Counter()

    def breaks(
        self,
        candidate: PairCandidate,
        texts: PairTexts,
        chosen: Sequence[PathStep],
        rejected: Sequence[PathStep],
    ) -> str | None:
        """The rule that leaves a pair out; without one it counts as taken."""
        most = self._spec.pairs.a_problem
        if most is not None and self._taken[candidate.problem_id] >= most:
            return "pairs.a_problem"
        rule = self._of_texts(texts) or self._of_programs(candidate, texts, chosen, rejected)
        if rule is None:
            self._taken[candidate.problem_id] += 1
        return rule

    def _of_texts(self, texts: PairTexts) -> str | None:
        rules = self._spec.texts
        length = len(texts.prompt) + max(len(texts.chosen), len(texts.rejected))
        if length < rules.min_characters:
            return "texts.min_characters"
        if rules.max_characters is not None and length > rules.max_characters:
            return "texts.max_characters"
        fewest = self._spec.pairs.min_edit_distance
        if fewest and _distance(texts, fewest) < fewest:
            return "pairs.min_edit_distance"
        return None

    def _of_programs(
        self,
        candidate: PairCandidate,
        texts: PairTexts,
        chosen: Sequence[PathStep],
        rejected: Sequence[PathStep],
    ) -> str | None:
        shared = shared_steps(candidate.kind, chosen)
        distinct = self._spec.texts.distinct
        better = fingerprint(chosen[shared:], distinct)
        worse = fingerprint(rejected[shared:], distinct)
        key = (candidate.problem_id, texts.prompt, better, worse)
        if better == worse or key in self._seen:
            return "texts.distinct"
        self._seen.add(key)
        return None


def _distance(texts: PairTexts, enough: int) -> int:
    """Edits between the two texts; counting stops at `enough`."""
    return Levenshtein.distance(texts.chosen, texts.rejected, score_cutoff=enough)
