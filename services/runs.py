"""Making a run: its problems are imported, split and fixed before anything is generated.

The split is drawn from the problems' ids and the profile's seed, so the same source and profile
give the same held-out problems.
"""

from __future__ import annotations

import dataclasses
import hashlib
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from db.queries import problems, runs
from db.records.problems import RunProblemRecord
from db.vocabulary import Split
from services import reporting
from services.errors import ConfigurationError
from services.inference.base_model import ensure_base_model
from services.problems.store import import_source

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from db.records.runs import RunRow
    from db.session import Database
    from services.embedded.engines import Engines
    from services.profiles import Profile

RUN_NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,62}")
FEWEST_PROBLEMS = 3


@dataclass(frozen=True, slots=True)
class NewRun:
    """What a run is to be made from; an empty source means the profile's."""

    name: str
    profile: Profile
    source: str
    mapping: Mapping[str, str]
    limit: int | None

    def renamed(self, name: str) -> NewRun:
        return dataclasses.replace(self, name=name)


def create_run(engines: Engines, wanted: NewRun) -> RunRow:
    """The run of this name; made now if it is not there, otherwise left as it is.

    Raises:
        ConfigurationError: the name cannot be a folder's, or there are too few problems.
        ProblemImportError, ModelError: the source or the base model cannot be used.
    """
    database = engines.database()
    there = runs.by_name(database, wanted.name)
    if there is not None:
        reporting.current().say(f"Going on with run {wanted.name}, as it was set up")
        return there
    if not RUN_NAME.fullmatch(wanted.name):
        raise ConfigurationError(
            f"{wanted.name!r} cannot name a run: use lower-case letters, digits, '.', '_' and '-'."
        )
    profile = wanted.profile
    with reporting.current().bar("Preparing the base model", None) as bar:
        base_model = ensure_base_model(engines.settings.base_model, engines.home.path)
        bar.update(1, total=1)
    imported = import_source(
        database,
        wanted.source or profile.source,
        mapping=wanted.mapping,
        limit=wanted.limit or profile.source_problems,
        seed=profile.seed,
    )
    reporting.current().say(imported.sentence())
    answered = problems.answered(database, imported.problem_ids)
    if len(answered) < len(imported.problem_ids):
        reporting.current().say(
            f"{len(imported.problem_ids) - len(answered)} problems have no answer: their "
            "trajectories are weighed by agreement, and none of them is held out"
        )
    return runs.create(
        database,
        name=wanted.name,
        profile=profile.model_dump(mode="json"),
        base_model=str(base_model),
        problems=split(
            imported.problem_ids, answered, held_out=profile.held_out, seed=profile.seed
        ),
    )


def split(
    problem_ids: Sequence[int], answered: Sequence[int], *, held_out: int, seed: int
) -> list[RunProblemRecord]:
    """Shuffled problems with their splits; at most a third is held out, however few there are.

    Only answered problems are held out: a policy cannot be evaluated on the others.

    Raises:
        ConfigurationError: fewer than three problems.
    """
    if len(problem_ids) < FEWEST_PROBLEMS:
        raise ConfigurationError(
            f"A run needs at least {FEWEST_PROBLEMS} different problems, one of them held out; "
            f"the source gave {len(problem_ids)}. Add problems, or raise --limit."
        )
    shuffled = sorted(
        problem_ids, key=lambda number: hashlib.sha256(f"{seed}/{number}".encode()).digest()
    )
    known = set(answered)
    kept_out = [n for n in shuffled if n in known][: min(held_out, len(shuffled) // 3)]
    hidden = set(kept_out)
    return [
        *(RunProblemRecord(number, Split.HELD_OUT) for number in kept_out),
        *(RunProblemRecord(n, Split.TRAIN) for n in shuffled if n not in hidden),
    ]


def fresh_name(database: Database, name: str) -> str:
    """`name`, or the first of `name-2`, `name-3`, ... that no run has."""
    taken = set(runs.names(database))
    if name not in taken:
        return name
    number = 2
    while f"{name}-{number}" in taken:
        number += 1
    return f"{name}-{number}"
