"""Dataset versions: written once, with a hash over their items, and never changed."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from sqlalchemy import insert, select

from db.models import Dataset, DatasetExclusion, DatasetItem, Run
from db.records.datasets import DatasetDescription, DatasetItemRecord, DatasetRow
from db.session import raw
from db.vocabulary import DatasetKind

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from sqlalchemy import Connection, Select

    from db.records.datasets import ExclusionRecord
    from db.session import Database

READ_AT_A_TIME = 500
"""Items that a stream holds in memory."""

_ITEM = (
    DatasetItem.problem_id,
    DatasetItem.group_key,
    DatasetItem.prompt,
    DatasetItem.chosen,
    DatasetItem.rejected,
    DatasetItem.trajectory_id,
    DatasetItem.pair_id,
    DatasetItem.depth,
    DatasetItem.correct,
    DatasetItem.q_value,
    DatasetItem.margin,
    DatasetItem.weight,
    DatasetItem.solve_rate,
    DatasetItem.step_lengths,
    DatasetItem.step_q,
)
_DESCRIPTION = (
    Dataset.id,
    Dataset.name,
    Run.name.label("run_name"),
    Dataset.round_number,
    Dataset.kind,
    Dataset.item_count,
    Dataset.content_hash,
    Dataset.created_at,
    Dataset.spec,
    Dataset.manifest,
)


def create(
    database: Database,
    *,
    run_id: int,
    kind: DatasetKind,
    spec: Mapping[str, object],
    items: Sequence[DatasetItemRecord],
    round_number: int | None = None,
    name: str | None = None,
    manifest: Mapping[str, object] | None = None,
    exclusions: Sequence[ExclusionRecord] = (),
) -> DatasetRow:
    """A new version with at least one item: of a round, or with a name.

    The order of the items is part of the version.
    """
    content_hash = hash_items(items)
    with database.begin() as connection:
        dataset_id: int = connection.execute(
            insert(Dataset)
            .values(
                run_id=run_id,
                round_number=round_number,
                name=name,
                kind=kind,
                spec=dict(spec),
                manifest=dict(manifest or {}),
                item_count=len(items),
                content_hash=content_hash,
            )
            .returning(Dataset.id)
        ).scalar_one()
        _copy_items(connection, dataset_id, items)
        if exclusions:
            connection.execute(
                insert(DatasetExclusion),
                [
                    {
                        "dataset_id": dataset_id,
                        "problem_id": exclusion.problem_id,
                        "rule": exclusion.rule,
                        "score": exclusion.score,
                        "duplicate_of": exclusion.duplicate_of,
                        "benchmark": exclusion.benchmark,
                        "benchmark_item": exclusion.benchmark_item,
                        "evidence": exclusion.evidence,
                    }
                    for exclusion in exclusions
                ],
            )
    return DatasetRow(dataset_id, len(items), content_hash)


def _copy_items(
    connection: Connection, dataset_id: int, items: Sequence[DatasetItemRecord]
) -> None:
    columns = ", ".join(["dataset_id", "position", *(column.key for column in _ITEM)])
    statement = f"COPY dataset_items ({columns}) FROM STDIN"
    with raw(connection).cursor() as cursor, cursor.copy(statement.encode()) as copy:
        for position, item in enumerate(items):
            copy.write_row(
                (
                    dataset_id,
                    position,
                    item.problem_id,
                    item.group_key,
                    item.prompt,
                    item.chosen,
                    item.rejected,
                    item.trajectory_id,
                    item.pair_id,
                    item.depth,
                    item.correct,
                    item.q_value,
                    item.margin,
                    item.weight,
                    item.solve_rate,
                    item.step_lengths and list(item.step_lengths),
                    item.step_q and list(item.step_q),
                )
            )


def find(
    database: Database, *, run_id: int, round_number: int, kind: DatasetKind
) -> DatasetRow | None:
    """The version that the curate stage of a round made."""
    with database.begin() as connection:
        row = connection.execute(
            select(Dataset.id, Dataset.item_count, Dataset.content_hash).where(
                Dataset.run_id == run_id,
                Dataset.round_number == round_number,
                Dataset.kind == kind,
            )
        ).one_or_none()
    return DatasetRow(**row._mapping) if row else None


def by_name(database: Database, name: str) -> DatasetDescription | None:
    """The named version, or the one of a curate stage by its title `RUN/ROUND/KIND`."""
    query = _described().where(Dataset.name == name)
    run, _, of_round = name.partition("/")
    number, _, kind = of_round.partition("/")
    if number.isdigit() and kind in {known.value for known in DatasetKind}:
        query = _described().where(
            Run.name == run,
            Dataset.round_number == int(number),
            Dataset.kind == DatasetKind(kind),
        )
    with database.begin() as connection:
        row = connection.execute(query).one_or_none()
    return DatasetDescription(**row._mapping) if row else None


def of_content(database: Database, content_hash: bytes) -> list[DatasetDescription]:
    """The versions with this very content, the oldest first."""
    query = _described().where(Dataset.content_hash == content_hash).order_by(Dataset.id)
    with database.begin() as connection:
        return [DatasetDescription(**row._mapping) for row in connection.execute(query)]


def described(database: Database) -> list[DatasetDescription]:
    """Every version, the oldest first."""
    with database.begin() as connection:
        rows = connection.execute(_described().order_by(Dataset.id))
        return [DatasetDescription(**row._mapping) for row in rows]


def _described() -> Select[Any]:
    return select(*_DESCRIPTION).join(Run, Run.id == Dataset.run_id)


def items(database: Database, dataset_id: int) -> list[DatasetItemRecord]:
    """The items of a version, in its order."""
    return list(stream(database, dataset_id))


def stream(
    database: Database, dataset_id: int, *, first: int = 0, count: int | None = None
) -> Iterator[DatasetItemRecord]:
    """Items from position `first` on, read through a server-side cursor as they are asked for."""
    query = (
        select(*_ITEM)
        .where(DatasetItem.dataset_id == dataset_id, DatasetItem.position >= first)
        .order_by(DatasetItem.position)
    )
    if count is not None:
        query = query.where(DatasetItem.position < first + count)
    with database.begin() as connection:
        rows = connection.execution_options(yield_per=READ_AT_A_TIME).execute(query)
        for row in rows:
            yield replace(
                DatasetItemRecord(**row._mapping),
                step_lengths=row.step_lengths and tuple(row.step_lengths),
                step_q=row.step_q and tuple(row.step_q),
            )


def hash_items(items: Sequence[DatasetItemRecord]) -> bytes:
    """sha256 over the items, each part led by its length, so that no shift of text keeps the hash.

    The labels that an item carries follow its texts; an item without any hashes as its texts alone.
    """
    digest = hashlib.sha256()
    for item in items:
        parts = [item.group_key, item.prompt, item.chosen, item.rejected or ""]
        for part in parts + _labels(item):
            encoded = part.encode()
            digest.update(len(encoded).to_bytes(8))
            digest.update(encoded)
    return digest.digest()


def _labels(item: DatasetItemRecord) -> list[str]:
    labels = (item.depth, item.correct, item.q_value, item.margin, item.step_lengths, item.step_q)
    if all(label is None for label in labels) and item.weight == 1:
        return []
    return [repr((*labels, item.weight))]
