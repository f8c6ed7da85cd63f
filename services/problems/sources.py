"""Problems from wherever they come: a file, reasoning-gym, or the Hugging Face hub.

    path/to/problems.jsonl       also .json and .parquet
    gym:gsm_symbolic             generated with the seed; endless, so a limit is needed
    hf:openai/gsm8k:main:train   a hub data set, its configuration and split

Records are read one by one; whoever stores them first reads them all
(`services.problems.importing.prepare`), so a broken source leaves nothing behind.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, cast

from services.errors import ProblemImportError
from services.problems.files import read_rows
from services.problems.records import read_record

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from services.problems.faults import OnBad
    from services.problems.files import Row
    from services.problems.records import ProblemRecord

_GYM_INSTRUCTION = "Give the result as your final answer. Do not include units."
"""reasoning-gym ends each gsm_symbolic question with it; our prompt asks for an answer already."""


MADE_OF_A_BENCHMARK = {
    "gym:gsm_symbolic": (
        "GSM8K's test set",
        "its templates (GSM-Symbolic, arXiv 2410.05229) are questions of it with other names and "
        "numbers",
    ),
}
"""Sources whose problems repeat a benchmark, with the benchmark and why."""


def contamination_of(source: str) -> str | None:
    """What a user of a source must know who reports a benchmark; None where nothing is known."""
    if source not in MADE_OF_A_BENCHMARK:
        return None
    benchmark, why = MADE_OF_A_BENCHMARK[source]
    return f"Do not report {benchmark} for a model that is trained on {source}: {why}."


def read_source(
    source: str,
    *,
    limit: int | None,
    seed: int,
    mapping: Mapping[str, str],
    on_bad: OnBad | None = None,
) -> Iterator[ProblemRecord]:
    """The first `limit` problems of a source, all of them where it is None.

    Args:
        source: a path, `gym:NAME` or `hf:NAME[:CONFIG][:SPLIT]`.
        seed: of the generator; files and hub data sets are read in order.
        mapping: our field (`question`, `answer`, `id`, `solution`) to the source's.
        on_bad: told of each entry that is wrong; it does not count towards the limit.

    Raises:
        ProblemImportError: while the records are read, at the first that is wrong where there is
            no `on_bad`, or where the source as a whole cannot be read.
    """
    empty, taken = True, 0

    def noting(where: str, reason: str, entry: object) -> None:
        nonlocal empty
        empty = False
        if on_bad is not None:
            on_bad(where, reason, entry)

    tell = None if on_bad is None else noting
    kind, colon, name = source.partition(":")
    if colon and kind == "gym":
        rows, title = _gym_rows(name, limit, seed), source
    elif colon and kind == "hf":
        rows, title = _hub_rows(name), source
    else:
        rows, title = read_rows(Path(source), on_bad=tell), Path(source).name
    for where, row in rows:
        empty = False
        try:
            record = read_record(row, source=title, where=where, mapping=mapping)
        except ProblemImportError as error:
            if on_bad is None:
                raise
            on_bad(where, str(error), row)
            continue
        yield record
        taken += 1
        if taken == limit:
            return
    if empty:
        raise ProblemImportError(f"{title} holds no problems; check that it is the right source.")


def _gym_rows(name: str, limit: int | None, seed: int) -> Iterator[Row]:
    """Entries of a reasoning-gym data set; its worked reasoning is the solution."""
    import reasoning_gym

    if limit is None or limit < 1:
        raise ProblemImportError(
            f"gym:{name} has no end; say how many problems to take with a limit of at least 1."
        )
    try:
        entries = cast(
            "Sequence[Mapping[str, object]]",
            reasoning_gym.create_dataset(name, size=limit, seed=seed),
        )
    except (ValueError, TypeError, AssertionError) as error:
        raise ProblemImportError(
            f"reasoning-gym has no data set {name!r} that needs no options ({error}); "
            "gsm_symbolic is one that it has."
        ) from error
    for index in range(limit):
        entry = entries[index]
        metadata = entry.get("metadata")
        worked = metadata.get("answer_cot") if isinstance(metadata, dict) else None
        question = str(entry["question"]).strip().removesuffix(_GYM_INSTRUCTION).strip()
        row = {
            "id": f"{name}-{seed}-{index}",
            "question": question,
            "answer": entry["answer"],
            "solution": worked,
        }
        yield f"gym:{name} entry {index + 1} of seed {seed}", row


def _hub_rows(name: str) -> Iterator[Row]:
    """Rows of a hub data set, streamed: `NAME`, `NAME:SPLIT` or `NAME:CONFIG:SPLIT`."""
    import datasets

    parts = name.split(":")
    if not parts[0] or len(parts) > 3:
        raise ProblemImportError(
            f"hf:{name} is not of the form hf:NAME[:CONFIG][:SPLIT]; write for example "
            "hf:openai/gsm8k:main:train."
        )
    config = parts[1] if len(parts) == 3 else None
    split = parts[-1] if len(parts) > 1 else "train"
    try:
        rows = datasets.load_dataset(parts[0], config, split=split, streaming=True)
        for number, row in enumerate(rows, start=1):
            yield f"hf:{name} row {number}", dict(row)
    except (OSError, ValueError) as error:
        reason = " ".join(str(error).split())[:200]
        raise ProblemImportError(
            f"hf:{name} could not be read ({reason}); check the name and the network, or download "
            "the data set elsewhere and import its .parquet or .jsonl file."
        ) from error
