"""Which trajectories become examples: the best distinct ones of each problem, round and verdict."""

from __future__ import annotations

from collections import deque
from itertools import groupby, islice
from typing import TYPE_CHECKING

from services.curation.items import trajectory_item
from services.curation.programs import fingerprint
from services.curation.reading import BATCH, paths_to, problems_of

if TYPE_CHECKING:
    from collections import Counter
    from collections.abc import Iterable, Iterator, Sequence

    from db.records.datasets import DatasetItemRecord, TrajectoryCandidate
    from db.records.trees import PathStep
    from db.session import Database
    from services.curation.spec import CurationSpec


def choose_trajectories(
    database: Database,
    found: Iterable[TrajectoryCandidate],
    spec: CurationSpec,
    dropped: Counter[str],
) -> Iterator[DatasetItemRecord]:
    """Items in the order of the candidates; what is left out is counted in `dropped`."""
    choice = _Choice(database, spec, dropped)
    groups = (
        deque(group)
        for _, group in groupby(found, key=lambda c: (c.round_id, c.problem_id, c.correct))
    )
    while chunk := list(islice(groups, BATCH)):
        yield from choice.of(chunk)


class _Choice:
    """Remembers what was taken, so that no program is taken twice for one problem."""

    def __init__(self, database: Database, spec: CurationSpec, dropped: Counter[str]) -> None:
        self._database = database
        self._spec = spec
        self._dropped = dropped
        self._seen: set[tuple[int, bytes]] = set()

    def of(self, groups: Sequence[deque[TrajectoryCandidate]]) -> Iterator[DatasetItemRecord]:
        """The items of some groups; texts are read only as far as they are needed."""
        most = self._spec.trajectories.a_problem
        taken: list[list[DatasetItemRecord]] = [[] for _ in groups]
        while wave := [
            (place, candidate)
            for place, group in enumerate(groups)
            for candidate in _take(group, most - len(taken[place]))
        ]:
            paths = paths_to(
                self._database, ((c.round_id, c.search_id, c.leaf_no) for _, c in wave)
            )
            problems = problems_of(self._database, (c.problem_id for _, c in wave))
            for place, candidate in wave:
                steps = paths[candidate.round_id, candidate.search_id, candidate.leaf_no]
                item = trajectory_item(candidate, problems[candidate.problem_id].question, steps)
                rule = self._breaks(item, steps)
                if rule is None:
                    taken[place].append(item)
                else:
                    self._dropped[rule] += 1
        for group, items in zip(groups, taken, strict=True):
            self._dropped["trajectories.a_problem"] += len(group)
            yield from items

    def _breaks(self, item: DatasetItemRecord, steps: Sequence[PathStep]) -> str | None:
        """The rule about texts that leaves an item out."""
        rules = self._spec.texts
        length = len(item.prompt) + len(item.chosen)
        if length < rules.min_characters:
            return "texts.min_characters"
        if rules.max_characters is not None and length > rules.max_characters:
            return "texts.max_characters"
        key = (item.problem_id, fingerprint(steps, rules.distinct))
        if key in self._seen:
            return "texts.distinct"
        self._seen.add(key)
        return None


def _take(group: deque[TrajectoryCandidate], count: int) -> list[TrajectoryCandidate]:
    return [group.popleft() for _ in range(min(count, len(group)))]
