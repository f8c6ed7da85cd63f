"""Dataset versions: written once, with a hash over their items, and never changed."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

from sqlalchemy import insert, select

from db.models import Dataset, DatasetItem
from db.records import DatasetItemRecord, DatasetRow

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from db.session import Database
    from db.vocabulary import DatasetKind


def create(
    database: Database,
    *,
    run_id: int,
    round_number: int,
    kind: DatasetKind,
    spec: Mapping[str, object],
    items: Sequence[DatasetItemRecord],
) -> DatasetRow:
    """A new version with at least one item. The order of the items is part of the version."""
    content_hash = hash_items(items)
    with database.begin() as connection:
        dataset_id = connection.execute(
            insert(Dataset)
            .values(
                run_id=run_id,
                round_number=round_number,
                kind=kind,
                spec=dict(spec),
                item_count=len(items),
                content_hash=content_hash,
            )
            .returning(Dataset.id)
        ).scalar_one()
        connection.execute(
            insert(DatasetItem),
            [
                {
                    "dataset_id": dataset_id,
                    "position": position,
                    "problem_id": item.problem_id,
                    "group_key": item.group_key,
                    "prompt": item.prompt,
                    "chosen": item.chosen,
                    "rejected": item.rejected,
                    "trajectory_id": item.trajectory_id,
                    "pair_id": item.pair_id,
                }
                for position, item in enumerate(items)
            ],
        )
    return DatasetRow(dataset_id, len(items), content_hash)


def find(
    database: Database, *, run_id: int, round_number: int, kind: DatasetKind
) -> DatasetRow | None:
    with database.begin() as connection:
        row = connection.execute(
            select(Dataset.id, Dataset.item_count, Dataset.content_hash).where(
                Dataset.run_id == run_id,
                Dataset.round_number == round_number,
                Dataset.kind == kind,
            )
        ).one_or_none()
    return DatasetRow(*row) if row else None


def items(database: Database, dataset_id: int) -> list[DatasetItemRecord]:
    """The items of a version, in its order."""
    with database.begin() as connection:
        rows = connection.execute(
            select(
                DatasetItem.problem_id,
                DatasetItem.group_key,
                DatasetItem.prompt,
                DatasetItem.chosen,
                DatasetItem.rejected,
                DatasetItem.trajectory_id,
                DatasetItem.pair_id,
            )
            .where(DatasetItem.dataset_id == dataset_id)
            .order_by(DatasetItem.position)
        )
        return [DatasetItemRecord(*row) for row in rows]


def hash_items(items: Sequence[DatasetItemRecord]) -> bytes:
    """sha256 over the texts, each led by its length, so that no shift of text keeps the hash."""
    digest = hashlib.sha256()
    for item in items:
        for part in (item.group_key, item.prompt, item.chosen, item.rejected or ""):
            encoded = part.encode()
            digest.update(len(encoded).to_bytes(8))
            digest.update(encoded)
    return digest.digest()
