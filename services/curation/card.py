"""The dataset card: README.md with the header by which `datasets` and the Hub find the files."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from services.curation.export_forms import Format
from services.curation.export_rows import SCHEMAS
from services.curation.versions import manifest_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from db.records.datasets import Count, DatasetDescription
    from services.curation.export_forms import FileKind
    from services.curation.versions import Manifest

_ABOUT: Mapping[Format, str] = {
    Format.SFT: "`prompt` and `completion`: TRL's SFTTrainer takes them as they are.",
    Format.CONVERSATIONAL: "`messages` of user and assistant: for SFTTrainer with a chat template.",
    Format.PREFERENCE: "`prompt`, `chosen`, `rejected`, `margin`: for TRL's RewardTrainer, which "
    "subtracts the margin (the difference of the two Q-values) within its loss, and DPOTrainer.",
    Format.STEPWISE: "`prompt`, `completions` (one step each), `labels` (1 where Q is above the "
    "threshold) and `q_values`: TRL's stepwise supervision, for PRMTrainer.",
    Format.TREES: "one search tree a row; `nodes` holds every step, failed ones included, with its "
    "outcome, visits, Q-value and what its code printed.",
}
_SIZES = ((1_000, "n<1K"), (10_000, "1K<n<10K"), (100_000, "10K<n<100K"), (10**6, "100K<n<1M"))


def dataset_card(
    version: DatasetDescription,
    form: Format,
    kind: FileKind,
    *,
    rows: int,
    sections: Mapping[str, Sequence[Count]],
    threshold: float,
) -> str:
    """The whole README.md of an export."""
    size = next((name for most, name in _SIZES if rows < most), "1M<n<10M")
    parts = [
        "---",
        f"pretty_name: {json.dumps(version.title)}",
        "task_categories:\n- text-generation",
        "language:\n- en",
        f"size_categories:\n- {size}",
        "tags:\n- math\n- reasoning\n- process-supervision\n- mcts\n- stepforge",
        "configs:\n- config_name: default\n  data_files:\n  - split: train\n"
        f"    path: data/train-*.{kind.value}",
        _types(form),
        "---",
        f"# {version.title}",
        f"{rows:,} rows of {version.kind.value} data, made by Stepforge: Monte Carlo tree search "
        "over steps whose Python code was run, as in rStar-Math (arXiv 2501.04519).",
        f"A row has {_ABOUT[form]}",
        f"- content hash of the version: `{version.content_hash.hex()}`",
        f"- made: {version.created_at:%Y-%m-%d}",
    ]
    if form is Format.STEPWISE:
        parts.append(f"- threshold of the labels: Q > {threshold:g}")
    manifest = manifest_of(version)
    if manifest is not None:
        parts += _origin(manifest)
    for title, counts in sections.items():
        lines = "".join(f"| {count.label} | {count.items:,} |\n" for count in counts)
        parts.append(f"\n## By {title}\n\n| {title} | items |\n|---|---|\n{lines}")
    spec = json.dumps(dict(version.spec), indent=2, ensure_ascii=False)
    parts.append(f"\n## Spec\n\n```json\n{spec}\n```\n")
    return "\n".join(parts)


def _types(form: Format) -> str:
    """The types of the columns, as `datasets` reads them.

    It would infer them from the first block of rows otherwise, in which a column may hold nothing
    but nulls.
    """
    # They take a second to load, and no other command needs them.
    from datasets import DatasetInfo, Features
    from datasets.info import DatasetInfosDict
    from huggingface_hub import DatasetCardData

    infos = DatasetInfosDict(
        {"default": DatasetInfo(features=Features.from_arrow_schema(SCHEMAS[form]))}
    )
    header = DatasetCardData()
    infos.to_dataset_card_data(header)
    return header.to_yaml().rstrip()


def _origin(manifest: Manifest) -> list[str]:
    lines = [
        f"- run: {manifest.run}, profile {manifest.profile}, base model {manifest.base_model}",
        *(
            f"- round {entry.number}: policy {entry.policy or '-'}, PPM {entry.ppm or '-'}"
            for entry in manifest.rounds
        ),
        *(
            f"- decontaminated against {entry.name} ({entry.items:,} items, sha256 "
            f"{entry.sha256[:16]}): {entry.problems_left_out:,} problems left out"
            for entry in manifest.benchmarks
        ),
    ]
    if not manifest.benchmarks:
        lines.append("- not decontaminated against any benchmark")
    return lines
