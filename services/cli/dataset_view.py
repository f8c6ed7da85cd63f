"""Dataset versions on a terminal: the list, the datasheet, and how two versions differ."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from rich.console import Group
from rich.table import Table
from rich.text import Text

from services.cli.tree_view import visible
from services.curation.versions import manifest_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from rich.console import RenderableType

    from db.records.datasets import Count, DatasetDescription, ExclusionRecord, VersionDifference
    from services.curation.versions import Manifest

_BAR_WIDTH = 30


@dataclass(frozen=True, slots=True)
class Datasheet:
    """What `datasets show` prints."""

    version: DatasetDescription
    problems: int
    sections: Mapping[str, Sequence[Count]]
    exclusions: Sequence[ExclusionRecord]


def version_table(versions: Sequence[DatasetDescription]) -> Table:
    """One row a version."""
    table = Table("version", "run", "kind", "items", "content", "made")
    for version in versions:
        table.add_row(
            Text(version.title),
            Text(version.run_name),
            version.kind.value,
            f"{version.item_count:,}",
            version.content_hash.hex()[:12],
            f"{version.created_at:%Y-%m-%d}",
        )
    return table


def render_datasheet(sheet: Datasheet) -> Group:
    """Facts, spec, lineage, what was left out, and distributions."""
    version = sheet.version
    parts: list[RenderableType] = [
        Text(
            f"{version.title}: {version.item_count:,} {version.kind.value} items over "
            f"{sheet.problems:,} problems of run {version.run_name}",
            style="bold",
        ),
        Text(f"content {version.content_hash.hex()}, made {version.created_at:%Y-%m-%d %H:%M %Z}"),
        _spec_table(version.spec),
    ]
    manifest = manifest_of(version)
    if manifest is not None:
        parts += _origin(manifest, version.item_count)
    if sheet.exclusions:
        parts.append(_exclusion_table(sheet.exclusions))
    parts += [_distribution(title, counts) for title, counts in sheet.sections.items()]
    return Group(*parts)


def render_difference(
    first: DatasetDescription, second: DatasetDescription, difference: VersionDifference
) -> Group:
    """What each has alone, and which lines of their specs differ."""
    table = Table("", first.title, second.title, title="Items", title_justify="left")
    table.add_row("items", f"{first.item_count:,}", f"{second.item_count:,}")
    table.add_row(
        "in this version alone", f"{difference.only_first:,}", f"{difference.only_second:,}"
    )
    table.add_row("in both", f"{difference.common:,}", f"{difference.common:,}")
    table.add_row(
        "problems in this one alone",
        f"{difference.problems_only_first:,}",
        f"{difference.problems_only_second:,}",
    )
    parts: list[RenderableType] = [table]
    left, right = dict(flattened(first.spec)), dict(flattened(second.spec))
    changed = [key for key in {**left, **right} if left.get(key) != right.get(key)]
    if changed:
        specs = Table("field", first.title, second.title, title="Specs", title_justify="left")
        for key in changed:
            specs.add_row(key, Text(left.get(key, "")), Text(right.get(key, "")))
        parts.append(specs)
    elif first.content_hash == second.content_hash:
        parts.append(Text("The two have the same content and the same spec."))
    for version, examples in (
        (first, difference.examples_first),
        (second, difference.examples_second),
    ):
        parts += [Text(f"only in {version.title}: {_short(text)}") for text in examples]
    return Group(*parts)


def flattened(spec: Mapping[str, object], prefix: str = "") -> Iterator[tuple[str, str]]:
    """The fields of a spec as `trajectories.a_problem` and their values as text."""
    for key, value in spec.items():
        if isinstance(value, dict):
            yield from flattened(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", str(value)


def _spec_table(spec: Mapping[str, object]) -> Table:
    table = Table("field", "value", title="Spec", title_justify="left")
    kind = spec.get("kind")
    unused = {"sft": "pairs.", "stepwise": "pairs.", "preference": "trajectories."}.get(str(kind))
    fields = sorted(flattened(spec), key=lambda field: ("." in field[0], field[0]))
    for key, value in fields:
        if value not in ("None", "") and not (unused and key.startswith(unused)):
            table.add_row(key, Text(visible(value)))
    return table


def _origin(manifest: Manifest, items: int) -> list[RenderableType]:
    lineage = Table("round", "policy", "PPM", title="Lineage", title_justify="left")
    for entry in manifest.rounds:
        lineage.add_row(
            str(entry.number),
            Text(_model(entry.policy, entry.policy_hash)),
            Text(_model(entry.ppm, entry.ppm_hash)),
        )
    left_out = Table("rule", "candidates", title="Left out", title_justify="left")
    for rule, count in manifest.dropped.items():
        left_out.add_row(rule, f"{count:,}")
    left_out.add_row("kept", f"{items:,} of {manifest.candidates:,}", style="bold")
    parts: list[RenderableType] = [
        Text(
            f"run {manifest.run}, profile {manifest.profile}, base model {manifest.base_model}, "
            f"Stepforge {manifest.stepforge}"
        ),
        lineage,
        left_out,
    ]
    if manifest.benchmarks:
        benchmarks = Table(
            "benchmark",
            "items",
            "problems left out",
            "sha256",
            title="Decontamination",
            title_justify="left",
        )
        for benchmark in manifest.benchmarks:
            benchmarks.add_row(
                Text(benchmark.name),
                f"{benchmark.items:,}",
                f"{benchmark.problems_left_out:,}",
                benchmark.sha256[:16],
            )
        parts.append(benchmarks)
    return parts


def _exclusion_table(exclusions: Sequence[ExclusionRecord]) -> Table:
    table = Table(
        "problem",
        "rule",
        "of",
        "score",
        "evidence",
        title="Problems left out",
        title_justify="left",
    )
    for exclusion in exclusions:
        of = (
            f"problem {exclusion.duplicate_of}"
            if exclusion.duplicate_of is not None
            else f"{exclusion.benchmark} {exclusion.benchmark_item}"
        )
        table.add_row(
            str(exclusion.problem_id),
            exclusion.rule.value,
            Text(visible(of)),
            f"{exclusion.score:.2f}",
            Text(_short(exclusion.evidence)),
        )
    return table


def _distribution(title: str, counts: Sequence[Count]) -> Table:
    table = Table(title, "items", "", title_justify="left")
    most = max(count.items for count in counts)
    for count in counts:
        bar = "█" * max(1, round(_BAR_WIDTH * count.items / most))
        table.add_row(Text(visible(count.label)), f"{count.items:,}", bar)
    return table


def _model(path: str | None, content_hash: str | None) -> str:
    return f"{path} ({(content_hash or '')[:12]})" if path else "-"


def _short(text: str) -> str:
    return visible(text).replace("\n", " ")[:90]
