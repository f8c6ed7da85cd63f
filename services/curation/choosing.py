"""From a curation spec to the items of a version, and a count of what each rule left out.

The rules apply in this order: those of SQL; problems left out as contaminated or near-duplicates;
texts and caps a problem; caps a template; balance; the version's size. The same spec over the same
rows gives the same items in the same order.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING, TypeVar

from db.queries import candidates, datasets, runs
from db.records.datasets import PairCandidate, PairFilter, TrajectoryCandidate, TrajectoryFilter
from db.vocabulary import DatasetKind
from services.curation.caps import balanced, within_templates
from services.curation.consistent import consistent_items
from services.curation.decontamination import contaminated, near_duplicates
from services.curation.pair_choice import choose_pairs
from services.curation.reading import problems_of
from services.curation.spec import Verdicts
from services.curation.trajectory_choice import choose_trajectories
from services.errors import ConfigurationError
from services.stages import BOOTSTRAP_ROUND

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from db.records.datasets import DatasetItemRecord, ExclusionRecord
    from db.records.runs import RoundRow
    from db.session import Database
    from services.curation.decontamination import Benchmark
    from services.curation.spec import CurationSpec

C = TypeVar("C", TrajectoryCandidate, PairCandidate, "DatasetItemRecord")


@dataclass(frozen=True, slots=True)
class Choice:
    """What a spec chose."""

    round_ids: tuple[int, ...]
    items: tuple[DatasetItemRecord, ...]
    exclusions: tuple[ExclusionRecord, ...]
    candidates: int
    """How many trajectories or pairs there were, consistent and bootstrap ones included."""
    dropped: Mapping[str, int]
    """How many of them each rule left out, by the rule's field in the spec."""


def choose(
    database: Database, run_id: int, spec: CurationSpec, benchmarks: Sequence[Benchmark] = ()
) -> Choice:
    """The items of a version of a run; none where no candidate is left.

    Raises:
        ConfigurationError: the spec names a round that the run does not have.
    """
    round_ids = tuple(row.id for row in _rounds(database, run_id, spec))
    dropped: Counter[str] = Counter()
    exclusions: list[ExclusionRecord] = []
    items: Iterable[DatasetItemRecord]
    if spec.kind is DatasetKind.PREFERENCE:
        pairs, by_sql = candidates.pairs(database, round_ids, _pair_filter(spec))
        exclusions = _exclusions(database, (c.problem_id for c in pairs), spec, benchmarks)
        count = len(pairs) + by_sql.total()
        items = choose_pairs(database, _without(pairs, exclusions, dropped), spec, dropped)
    else:
        found, by_sql = candidates.trajectories(database, round_ids, _trajectory_filter(spec))
        others = _other_items(database, run_id, round_ids, spec)
        problem_ids = [*(c.problem_id for c in found), *(i.problem_id for i in others)]
        exclusions = _exclusions(database, problem_ids, spec, benchmarks)
        count = len(found) + len(others) + by_sql.total()
        kept = _without(found, exclusions, dropped)
        items = _then_others(
            choose_trajectories(database, kept, spec, dropped),
            _without(others, exclusions, dropped),
            dropped,
        )
    dropped.update(by_sql)
    items = within_templates(database, items, spec.problems, dropped)
    items = balanced(items, spec.problems.balance, dropped)
    chosen = tuple(islice(items, spec.max_items))
    dropped["max_items"] = count - dropped.total() - len(chosen)
    return Choice(round_ids, chosen, tuple(exclusions), count, +dropped)


def _rounds(database: Database, run_id: int, spec: CurationSpec) -> list[RoundRow]:
    rounds = runs.rounds_of(database, run_id)
    if spec.rounds == "all":
        return rounds
    if spec.rounds == "newest":
        return rounds[-1:]
    numbers = {row.number for row in rounds}
    missing = sorted(set(spec.rounds) - numbers)
    if missing:
        there = ", ".join(map(str, sorted(numbers))) or "none"
        raise ConfigurationError(
            f"The run has no round {missing[0]} (rounds: {there}). Correct `rounds` in the spec."
        )
    return [row for row in rounds if row.number in spec.rounds]


def _exclusions(
    database: Database,
    problem_ids: Iterable[int],
    spec: CurationSpec,
    benchmarks: Sequence[Benchmark],
) -> list[ExclusionRecord]:
    """Problems left out; one that a benchmark holds is no duplicate of anything."""
    threshold = spec.problems.near_duplicates
    if not benchmarks and threshold is None:
        return []
    problems = problems_of(database, problem_ids)
    found = contaminated(problems.values(), benchmarks, spec.decontamination)
    if threshold is not None:
        gone = {exclusion.problem_id for exclusion in found}
        rest = (problem for problem in problems.values() if problem.problem_id not in gone)
        found += near_duplicates(rest, threshold)
    return found


def _without(
    found: Iterable[C], exclusions: Iterable[ExclusionRecord], dropped: Counter[str]
) -> list[C]:
    rules = {exclusion.problem_id: exclusion.rule for exclusion in exclusions}
    kept = []
    for candidate in found:
        rule = rules.get(candidate.problem_id)
        if rule is None:
            kept.append(candidate)
        else:
            dropped[rule.value] += 1
    return kept


def _other_items(
    database: Database, run_id: int, round_ids: Sequence[int], spec: CurationSpec
) -> list[DatasetItemRecord]:
    """Solutions that are no graded trajectories: mutually consistent ones, the bootstrap set's."""
    items: list[DatasetItemRecord] = []
    if spec.consistent:
        items += consistent_items(database, round_ids, a_problem=spec.trajectories.a_problem)
    return items + _bootstrap_items(database, run_id) if spec.bootstrap else items


def _bootstrap_items(database: Database, run_id: int) -> list[DatasetItemRecord]:
    version = datasets.find(
        database, run_id=run_id, round_number=BOOTSTRAP_ROUND, kind=DatasetKind.SFT
    )
    return datasets.items(database, version.id) if version else []


def _then_others(
    items: Iterable[DatasetItemRecord],
    others: Iterable[DatasetItemRecord],
    dropped: Counter[str],
) -> Iterator[DatasetItemRecord]:
    """The items, then those of the others whose text is not among them."""
    texts = set()
    for item in items:
        texts.add((item.prompt, item.chosen))
        yield item
    for item in others:
        if (item.prompt, item.chosen) in texts:
            dropped["texts.distinct"] += 1
        else:
            yield item


def _trajectory_filter(spec: CurationSpec) -> TrajectoryFilter:
    rules, problems = spec.trajectories, spec.problems
    return TrajectoryFilter(
        both_verdicts=rules.verdicts is Verdicts.BOTH,
        min_mean_q=rules.min_mean_q,
        min_visits=rules.min_visits,
        max_steps=rules.max_steps,
        min_solve_rate=problems.min_solve_rate,
        max_solve_rate=problems.max_solve_rate,
    )


def _pair_filter(spec: CurationSpec) -> PairFilter:
    rules, problems = spec.pairs, spec.problems
    return PairFilter(
        kinds=rules.kinds,
        min_margin=rules.min_margin,
        min_visits=rules.min_visits,
        min_solve_rate=problems.min_solve_rate,
        max_solve_rate=problems.max_solve_rate,
    )
