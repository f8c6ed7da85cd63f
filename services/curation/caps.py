"""Caps over the items of a version: a template, and a band of difficulty."""

from __future__ import annotations

import re
from bisect import bisect_right
from collections import Counter
from itertools import islice
from typing import TYPE_CHECKING

from services.curation.reading import BATCH, problems_of
from services.curation.spec import Template

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from db.records.datasets import DatasetItemRecord, ProblemText
    from db.session import Database
    from services.curation.spec import Balance, ProblemRules

_NUMBER = re.compile(r"\d+(?:[.,/]\d+)*")


def within_templates(
    database: Database,
    items: Iterable[DatasetItemRecord],
    rules: ProblemRules,
    dropped: Counter[str],
) -> Iterator[DatasetItemRecord]:
    """The first items of each template, as many as the rules allow."""
    if rules.a_template is None:
        yield from items
        return
    taken: Counter[str] = Counter()
    rest = iter(items)
    while batch := list(islice(rest, BATCH)):
        problems = problems_of(database, (item.problem_id for item in batch))
        for item in batch:
            template = template_of(problems[item.problem_id], rules.template)
            if taken[template] < rules.a_template:
                taken[template] += 1
                yield item
            else:
                dropped["problems.a_template"] += 1


def template_of(problem: ProblemText, template: Template) -> str:
    """What a problem shares with the others of its template."""
    if template is Template.SOURCE:
        return problem.source
    return _NUMBER.sub("#", " ".join(problem.question.split()))


def band_of(solve_rate: float | None, edges: tuple[float, ...]) -> int:
    """The band that a solve rate falls into, from 0; an unknown one counts as never solved."""
    return bisect_right(edges, solve_rate or 0.0)


def balanced(
    items: Iterable[DatasetItemRecord], balance: Balance | None, dropped: Counter[str]
) -> Iterator[DatasetItemRecord]:
    """The first items of each band of difficulty, as many as the balance allows."""
    if balance is None:
        yield from items
        return
    most = balance.a_band
    if balance.even:
        items = list(items)
        sizes = Counter(band_of(item.solve_rate, balance.edges) for item in items)
        smallest = min(sizes.values(), default=0)
        most = smallest if most is None else min(most, smallest)
    taken: Counter[int] = Counter()
    for item in items:
        band = band_of(item.solve_rate, balance.edges)
        if most is None or taken[band] < most:
            taken[band] += 1
            yield item
        else:
            dropped["problems.balance"] += 1
