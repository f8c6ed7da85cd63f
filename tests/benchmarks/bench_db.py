"""The trajectory database: ingest, mining, size, questions; ratios are measured side by side.

    python -m tests.benchmarks.bench_db [--nodes 10000000] [--ingest-only]

On an embedded Postgres of its own with fsync on, in build/bench/db-home, which is removed at the
end. `--nodes` is the size of the largest round; with less than 10 million the figures that need
them are those of the largest. Prints tables and writes build/bench/db.json. At 10 million nodes it
needs 12 GB of disk and about fifteen minutes.
"""

from __future__ import annotations

import argparse
import json
import shutil
from collections.abc import Iterator
from contextlib import contextmanager

import psycopg
from rich.console import Console
from rich.table import Table

from db import migrate
from db.session import Database
from services.config import REPOSITORY
from services.embedded import postgres
from services.embedded.home import Home, open_home
from tests.benchmarks import bench_cookbook, bench_db_ingest, bench_db_mining, bench_db_size, trees

RESULT = REPOSITORY / "build" / "bench" / "db.json"
HOME = REPOSITORY / "build" / "bench" / "db-home"
SIZES = (1_000_000, 3_000_000, 10_000_000)
INGESTED = 150_000
WALKED = 200_000
"""Nodes that are mined both ways; the released one takes minutes for them."""

console = Console()


@contextmanager
def server() -> Iterator[Home]:
    """A fresh home with a running Postgres, removed at the end."""
    shutil.rmtree(HOME, ignore_errors=True)
    home = open_home(HOME)
    url = postgres.start(home)
    try:
        with psycopg.connect(url) as connection:
            row = connection.execute("SHOW fsync").fetchone()
            if row != ("on",):
                raise SystemExit("fsync is off; these figures would mean nothing")
        yield home
    finally:
        postgres.stop(home)
        shutil.rmtree(HOME, ignore_errors=True)


@contextmanager
def new_database(home: Home, name: str) -> Iterator[Database]:
    """A database with the schema, dropped at the end."""
    url = postgres.start(home)
    with psycopg.connect(url, autocommit=True) as admin:
        admin.execute(f"CREATE DATABASE {name}".encode())
    database = Database(url.replace("/postgres?", f"/{name}?"))
    migrate.ensure(database)
    try:
        yield database
    finally:
        database.close()
        with psycopg.connect(url, autocommit=True) as admin:
            admin.execute(f"DROP DATABASE {name} WITH (FORCE)".encode())


def measure_ingest(home: Home) -> bench_db_ingest.Ingest:
    """Figure 1, with its table."""
    with new_database(home, "ingest") as database, console.status("Ingest"):
        ingest = bench_db_ingest.measure(database, trees.sample(INGESTED, seed=1))
    table = Table("ingest, committed", "nodes/s", "bulk path against it", title_justify="left")
    for name, rate in (
        ("SQLAlchemy ORM", ingest.orm),
        ("SQLAlchemy Core insertmanyvalues", ingest.core_many_values),
        ("SQLAlchemy Core executemany", ingest.core_executemany),
        ("binary COPY, a commit a tree", ingest.tree_a_commit),
        (f"bulk path, {bench_db_ingest.BATCH} trees a commit", ingest.bulk),
        ("raw binary COPY, no index, no constraint", ingest.raw_copy),
    ):
        table.add_row(name, f"{rate:,.0f}", f"{ingest.bulk / rate:.2f}x")
    table.caption = f"Read back in bulk: {ingest.read_back:,.0f} nodes/s"
    console.print(table)
    return ingest


def measure_rounds(home: Home, largest: int, ingest: bench_db_ingest.Ingest) -> dict[str, object]:
    """Figures 2 and 4, with their tables."""
    mined: list[bench_db_mining.Round] = []
    with new_database(home, "walked") as database, console.status("The released walk"):
        (this_round,) = trees.fill(database, nodes=min(largest, WALKED))
        walked = bench_db_mining.walk(database, this_round)
        beside = bench_db_mining.measure(database, this_round)
    for nodes in [size for size in SIZES if size < largest] + [largest]:
        with new_database(home, "mining") as database, console.status(f"{nodes:,} nodes"):
            (this_round,) = trees.fill(database, nodes=nodes)
            mined.append(bench_db_mining.measure(database, this_round))
            size = bench_db_size.measure(database, this_round)
    console.print(_mining_table([beside, *mined], walked))
    json_bytes = walked.json_bytes / walked.nodes
    projection = bench_db_size.projection(
        size=size,
        json_bytes=json_bytes,
        ingest=ingest.bulk,
        mine_seconds=mined[-1].seconds,
        mined_nodes=mined[-1].nodes,
    )
    console.print(f"Bytes a node: {size.total:.0f} in Postgres, {json_bytes:.0f} as JSON")
    console.print(projection)
    named = [(round(each.nodes / 1e6), each) for each in mined if each.nodes > 500_000]
    by_size = {f"mine_{millions}m_seconds": each.seconds for millions, each in named}
    return {
        **by_size,
        "mine_seconds_by_nodes": {str(each.nodes): each.seconds for each in mined},
        "vs_python_walk": walked.seconds / beside.seconds,
        "bytes_per_node": size.total,
        "json_bytes_per_node": json_bytes,
        "projection": projection,
    }


def _mining_table(mined: list[bench_db_mining.Round], walked: bench_db_mining.Walked) -> Table:
    table = Table("mining", "nodes", "trajectories", "pairs", "s", "s a million")
    for each in mined:
        table.add_row(
            "set-based SQL",
            f"{each.nodes:,}",
            f"{each.trajectories:,}",
            f"{each.pairs:,}",
            f"{each.seconds:.2f}",
            f"{each.seconds / each.nodes * 1e6:.2f}",
        )
    table.add_row(
        "JSON walked in Python, as released",
        f"{walked.nodes:,}",
        f"{walked.traces:,}",
        f"{walked.pairs:,}",
        f"{walked.seconds:.2f}",
        f"{walked.seconds / walked.nodes * 1e6:.2f}",
    )
    return table


def measure_cookbook(home: Home, nodes: int) -> dict[str, object]:
    """Figure 3, with its table."""
    with new_database(home, "cookbook"), console.status("The cookbook"):
        figures = bench_cookbook.measure_filled(home, "cookbook", nodes)
    console.print(bench_cookbook.report(figures))
    return figures.as_json()


def write(figures: dict[str, object]) -> None:
    """Keep what is measured so far."""
    RESULT.parent.mkdir(parents=True, exist_ok=True)
    RESULT.write_text(json.dumps(figures, indent=1))


def main() -> None:
    """Measure and report."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--nodes", type=int, default=SIZES[-1], help="of the largest round")
    parser.add_argument("--ingest-only", action="store_true", help="end after figure 1")
    options = parser.parse_args()
    with server() as home:
        ingest = measure_ingest(home)
        write(ingest.as_json())
        if options.ingest_only:
            return
        figures = {**ingest.as_json(), **measure_rounds(home, options.nodes, ingest)}
        write(figures)
        write({**figures, **measure_cookbook(home, options.nodes)})


if __name__ == "__main__":
    main()
