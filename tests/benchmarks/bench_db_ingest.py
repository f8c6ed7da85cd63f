"""Figure 1: whole trees committed to `nodes`, indexes and constraints on, several ways.

Every way writes the same trees in transactions of the same size into a partition of its own; only
the bulk path also checks its leases and closes its searches meanwhile. Raw COPY sends bytes that
were made beforehand into a table without index and constraint. Each way runs in turn; medians.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, fields
from operator import attrgetter
from statistics import median
from time import perf_counter

from sqlalchemy import Connection, insert, text
from sqlalchemy.orm import DeclarativeBase, Session

from db import bulk
from db.models import Node
from db.queries import runs, searches
from db.records.runs import RoundRow
from db.records.searches import ClaimedSearch, NodeRecord, SearchResult
from db.session import Database, raw
from tests.benchmarks.trees import GrownTree, stored_run

REPEATS = 3
BATCH = 256
"""Trees a transaction, some 80,000 nodes."""

PAGE = 50
"""Rows of one INSERT of insertmanyvalues. SQLAlchemy's own 1000 are slower by far here: the time in
which psycopg reads a statement grows with the square of its parameters."""

_FIELDS = tuple(field.name for field in fields(NodeRecord))
_READ = attrgetter(*_FIELDS)


class _Plain(DeclarativeBase):
    pass


class PlainNode(_Plain):
    """`Node` without the reading back of q_value after each flush, which slows the ORM down."""

    __table__ = Node.__table__
    __mapper_args__ = {"eager_defaults": False}  # noqa: RUF012


Batch = Sequence[tuple[ClaimedSearch, SearchResult]]


@dataclass(frozen=True, slots=True)
class Ingest:
    """Nodes a second of each way, and of reading trees back."""

    orm: float
    core_many_values: float
    core_executemany: float
    tree_a_commit: float
    bulk: float
    raw_copy: float
    read_back: float

    def as_json(self) -> dict[str, float]:
        """For build/bench/db.json."""
        return {
            "ingest_nodes_per_second": self.bulk,
            "vs_orm": self.bulk / self.orm,
            "vs_core": self.bulk / max(self.core_many_values, self.core_executemany),
            "share_of_raw_copy": self.bulk / self.raw_copy,
            "ingest_by_way": asdict(self),
        }


def measure(database: Database, trees: Sequence[GrownTree]) -> Ingest:
    """Ingest the trees `REPEATS` times each way, the slow ways a part of them."""
    run_id, problem_ids = stored_run(database, trees, "ingest")
    numbers = iter(range(1, 1000))
    rates: dict[str, list[float]] = {field.name: [] for field in fields(Ingest)}

    def timed(way: str, write: Callable[[Database, Batch], None], share: float) -> RoundRow:
        used = trees[: max(int(len(trees) * share), BATCH)]
        this_round, batch = _claimed(database, run_id, next(numbers), problem_ids, used)
        started = perf_counter()
        for start in range(0, len(batch), BATCH):
            write(database, batch[start : start + BATCH])
        seconds = perf_counter() - started
        rates[way].append(sum(len(result.nodes) for _, result in batch) / seconds)
        return this_round

    for _ in range(REPEATS):
        timed("orm", _with_orm, 0.1)
        timed("core_many_values", _with_many_values, 0.3)
        timed("core_executemany", _with_executemany, 0.3)
        timed("tree_a_commit", _each_alone, 0.3)
        this_round = timed("bulk", _in_bulk, 1.0)
        rates["read_back"].append(_read_back(database, this_round))
        rates["raw_copy"].append(_raw(database, this_round))
    return Ingest(**{way: median(measured) for way, measured in rates.items()})


def _claimed(
    database: Database,
    run_id: int,
    number: int,
    problem_ids: Sequence[int],
    trees: Sequence[GrownTree],
) -> tuple[RoundRow, Batch]:
    """A round of its own, with a claimed search for each tree."""
    this_round = runs.start_round(
        database, run_id=run_id, number=number, policy_checkpoint_id=None, ppm_checkpoint_id=None
    )
    searches.plan(database, this_round.id, problem_ids[: len(trees)], seed=0)
    held = searches.LEASES.claim(
        database, this_round.id, owner="bench", limit=len(trees), lease_seconds=3600
    )
    held.sort(key=lambda search: search.search_id)
    return this_round, [(s, tree.result) for s, tree in zip(held, trees, strict=True)]


def _values(search: ClaimedSearch, node: NodeRecord) -> dict[str, object]:
    values = dict(zip(_FIELDS, _READ(node), strict=True))
    return {"round_id": search.round_id, "search_id": search.search_id, **values}


def _with_orm(database: Database, batch: Batch) -> None:
    with Session(database.engine) as session:
        session.add_all(
            PlainNode(**_values(search, node)) for search, result in batch for node in result.nodes
        )
        session.commit()


def _with_many_values(database: Database, batch: Batch) -> None:
    """INSERTs of many VALUES, for which SQLAlchemy must be told with this driver."""
    dialect = database.engine.dialect
    dialect.use_insertmanyvalues_wo_returning = True
    with database.begin() as connection:
        _insert(connection.execution_options(insertmanyvalues_page_size=PAGE), batch)
    dialect.use_insertmanyvalues_wo_returning = False


def _with_executemany(database: Database, batch: Batch) -> None:
    """What SQLAlchemy does with this driver by itself."""
    with database.begin() as connection:
        _insert(connection, batch)


def _insert(connection: Connection, batch: Batch) -> None:
    connection.execute(
        insert(Node), [_values(search, node) for search, result in batch for node in result.nodes]
    )


def _each_alone(database: Database, batch: Batch) -> None:
    for one in batch:
        bulk.commit_trees(database, [one])


def _in_bulk(database: Database, batch: Batch) -> None:
    bulk.commit_trees(database, batch)


def _read_back(database: Database, this_round: RoundRow) -> float:
    started = perf_counter()
    with database.begin() as connection:
        count = sum(len(nodes) for _, nodes in bulk.read_trees(connection, this_round.id))
    return count / (perf_counter() - started)


def _raw(database: Database, this_round: RoundRow) -> float:
    """The speed of the server and the disk: no row is made here, and none is checked there."""
    names = ", ".join(name for name, _ in bulk.NODE_COLUMNS)
    with database.begin() as connection:
        connection.execute(text("DROP TABLE IF EXISTS raw_nodes"))
        connection.execute(
            text(f"CREATE TABLE raw_nodes AS SELECT {names} FROM nodes WITH NO DATA")
        )
        with (
            raw(connection).cursor() as cursor,
            cursor.copy(
                f"COPY (SELECT {names} FROM nodes WHERE round_id = {this_round.id}) "
                "TO STDOUT (FORMAT BINARY)"
            ) as copy,
        ):
            joined = b"".join(copy)
    chunks = [joined[start : start + 65536] for start in range(0, len(joined), 65536)]
    started = perf_counter()
    with database.begin() as connection, raw(connection).cursor() as cursor:
        with cursor.copy(f"COPY raw_nodes ({names}) FROM STDIN (FORMAT BINARY)") as copy:
            for chunk in chunks:
                copy.write(chunk)
        count = cursor.rowcount
    seconds = perf_counter() - started
    with database.begin() as connection:
        connection.execute(text("DROP TABLE raw_nodes"))
    return count / seconds
