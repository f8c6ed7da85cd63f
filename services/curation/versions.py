"""Named dataset versions: made from a spec, and made again to the same content.

A version holds its spec, its items with their labels, the problems that were left out, and a
manifest of where all of it came from. What it was made of is the spec, the rows of its rounds and
the benchmarks, whose hashes it keeps; as long as these are the same, so is the content hash.
"""

from __future__ import annotations

import re
from dataclasses import asdict, dataclass
from importlib.metadata import version as installed_version
from typing import TYPE_CHECKING

from pydantic import ValidationError

from db.queries import candidates, datasets, runs
from services import reporting
from services.curation.choosing import choose
from services.curation.decontamination import read_benchmark
from services.errors import ConfigurationError, DatasetEmpty
from services.frozen import Frozen

if TYPE_CHECKING:
    from collections.abc import Sequence

    from db.records.datasets import DatasetDescription, ExclusionRecord
    from db.records.runs import RunRow
    from db.session import Database
    from services.curation.choosing import Choice
    from services.curation.decontamination import Benchmark
    from services.curation.spec import CurationSpec

_NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,62}")


class RoundEntry(Frozen):
    """A round that items come from, with the checkpoints that searched it."""

    round_id: int
    number: int
    policy: str | None
    policy_hash: str | None
    ppm: str | None
    ppm_hash: str | None


class BenchmarkEntry(Frozen):
    """A benchmark that the version was held against."""

    name: str
    sha256: str
    items: int
    problems_left_out: int


class Manifest(Frozen):
    """Where a version came from."""

    run: str
    base_model: str
    profile: str
    rounds: tuple[RoundEntry, ...]
    candidates: int
    dropped: dict[str, int]
    """Candidates that each rule left out, by the rule's field in the spec."""
    benchmarks: tuple[BenchmarkEntry, ...]
    stepforge: str


@dataclass(frozen=True, slots=True)
class Made:
    """What `create_version` did."""

    version: DatasetDescription
    is_new: bool
    twins: tuple[str, ...]
    """Titles of other versions with the very same content."""

    def sentence(self) -> str:
        """For people."""
        about = (
            f"{self.version.item_count:,} {self.version.kind.value} items, content "
            f"{self.version.content_hash.hex()[:16]}"
        )
        if not self.is_new:
            return (
                f"Version {self.version.title} is there already; made again from its spec it has "
                f"the same content: {about}."
            )
        same = f" The same content as {', '.join(self.twins)}." if self.twins else ""
        return f"Made version {self.version.title}: {about}.{same}"


def create_version(
    database: Database,
    name: str,
    spec: CurationSpec,
    *,
    run: RunRow,
    decontaminate: Sequence[str] = (),
) -> Made:
    """Make a named version, or find that it is there with this very content.

    Args:
        decontaminate: problem sources beside those of the spec.

    Raises:
        ConfigurationError: the name cannot be used, or names a version of other content.
        DatasetEmpty: the spec leaves nothing; says which rules left out how many.
        ProblemImportError: a benchmark cannot be read.
    """
    if not _NAME.fullmatch(name):
        raise ConfigurationError(
            f"{name!r} cannot name a dataset version: use lower-case letters, digits, '.', '_' and "
            "'-'."
        )
    sources = tuple(dict.fromkeys((*spec.decontamination.against, *decontaminate)))
    rules = spec.decontamination.model_copy(update={"against": sources})
    spec = spec.model_copy(update={"decontamination": rules})
    benchmarks = [read_benchmark(source) for source in sources]
    with reporting.current().bar("Choosing the items", None) as bar:
        choice = choose(database, run.id, spec, benchmarks)
        bar.update(len(choice.items), total=len(choice.items))
    if not choice.items:
        raise DatasetEmpty(_why_empty(run, choice))
    content_hash = datasets.hash_items(choice.items)
    there = datasets.by_name(database, name)
    if there is not None:
        return _made_before(there, content_hash)
    twins = tuple(twin.title for twin in datasets.of_content(database, content_hash))
    datasets.create(
        database,
        run_id=run.id,
        name=name,
        kind=spec.kind,
        spec=spec.model_dump(mode="json"),
        manifest=_manifest(database, run, choice, benchmarks).model_dump(mode="json"),
        items=choice.items,
        exclusions=choice.exclusions,
    )
    return Made(find_version(database, name), is_new=True, twins=twins)


def find_version(database: Database, name: str) -> DatasetDescription:
    """The version of this name or title (`RUN/ROUND/KIND`).

    Raises:
        ConfigurationError: there is none; names those there are.
    """
    found = datasets.by_name(database, name)
    if found is None:
        known = ", ".join(version.title for version in datasets.described(database)) or "none yet"
        raise ConfigurationError(f"There is no dataset version {name!r} (versions: {known}).")
    return found


def find_run(database: Database, name: str | None) -> RunRow:
    """The run of this name; without a name the only one there is.

    Raises:
        ConfigurationError: there is no such run, or several where none was named.
    """
    known = runs.names(database)
    if name is None and len(known) == 1:
        name = known[0]
    found = runs.by_name(database, name) if name is not None else None
    if found is None:
        asked = f"There is no run {name!r}" if name else "A version is made of one run; name it"
        raise ConfigurationError(f"{asked} with --run (runs: {', '.join(known) or 'none yet'}).")
    return found


def manifest_of(version: DatasetDescription) -> Manifest | None:
    """The manifest of a named version; those of a curate stage have none."""
    try:
        return Manifest.model_validate(version.manifest)
    except ValidationError:
        return None


def _made_before(there: DatasetDescription, content_hash: bytes) -> Made:
    if there.content_hash != content_hash:
        raise ConfigurationError(
            f"There is a version {there.title} with other content ({there.content_hash.hex()[:16]} "
            f"instead of {content_hash.hex()[:16]}): the spec, the rounds or the benchmarks have "
            "changed since. A version never changes; choose another name."
        )
    return Made(there, is_new=False, twins=())


def _manifest(
    database: Database, run: RunRow, choice: Choice, benchmarks: Sequence[Benchmark]
) -> Manifest:
    lineage = candidates.lineage(database, choice.round_ids)
    return Manifest(
        run=run.name,
        base_model=run.base_model,
        profile=str(run.profile.get("name", "")),
        rounds=tuple(RoundEntry.model_validate(asdict(row)) for row in lineage),
        candidates=choice.candidates,
        dropped=dict(sorted(choice.dropped.items())),
        benchmarks=tuple(_entry(benchmark, choice.exclusions) for benchmark in benchmarks),
        stepforge=installed_version("stepforge"),
    )


def _entry(benchmark: Benchmark, exclusions: Sequence[ExclusionRecord]) -> BenchmarkEntry:
    return BenchmarkEntry(
        name=benchmark.name,
        sha256=benchmark.sha256,
        items=len(benchmark.questions),
        problems_left_out=sum(e.benchmark == benchmark.name for e in exclusions),
    )


def _why_empty(run: RunRow, choice: Choice) -> str:
    if not choice.candidates:
        return (
            f"Run {run.name} has no candidates in {len(choice.round_ids)} rounds. Run "
            f"`stepforge evolve {run.name}` until a round is curated, or name other rounds."
        )
    counts = ", ".join(f"{rule} {n:,}" for rule, n in sorted(choice.dropped.items()))
    return (
        f"Run {run.name}: the spec leaves none of {choice.candidates:,} candidates ({counts}). "
        "Loosen these rules."
    )
