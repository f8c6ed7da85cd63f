"""The questions of the cookbook on 10 million nodes, with a warm and with a cold cache.

    python -m tests.benchmarks.bench_cookbook [--nodes 10000000] [--home FOLDER]

A time is that of one answer as `stepforge cookbook` gets it: log in as the reader, plan, run, read
the rows. Warm is the median of 15 after one that does not count. Cold is the median of 3, each the
first query of a server that was just started, with the page cache of the system dropped where the
system lets us. Prints a table and writes build/bench/cookbook.json; `make bench-db` does the same
within its own database.
"""

from __future__ import annotations

import argparse
import json
import os
import tempfile
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from time import perf_counter

from rich.console import Console
from rich.table import Table
from sqlalchemy import text

from db import cookbook, migrate
from db.queries import datasets, mining, readonly, runs
from db.queries import statistics as statistic_queries
from db.records.datasets import DatasetItemRecord
from db.records.runs import RoundRow
from db.session import Database
from db.vocabulary import DatasetKind, StageName
from services.config import REPOSITORY
from services.embedded import postgres
from services.embedded.home import Home, open_home
from tests.benchmarks.trees import fill

RESULT = REPOSITORY / "build" / "bench" / "cookbook.json"
ROUNDS = 3
WARM = 15
COLD = 3
ITEMS = 20_000
"""Of the dataset version in which a row is traced."""
GOAL_MS = 100.0
_DROP_CACHES = Path("/proc/sys/vm/drop_caches")


@dataclass(frozen=True, slots=True)
class Timed:
    """What one recipe took, in milliseconds; cold is None for one that reads every node."""

    recipe: cookbook.Recipe
    rows: int
    warm_ms: float
    cold_ms: float | None


@dataclass(frozen=True, slots=True)
class Figures:
    """The recipes, and what it costs to keep the statistics that they read."""

    nodes: int
    recipes: tuple[Timed, ...]
    cold_is: str
    refresh_seconds_per_million: float
    statistics_bytes_per_node: float

    def as_json(self) -> dict[str, object]:
        """For build/bench/*.json."""
        return {
            "cookbook_nodes": self.nodes,
            "cookbook_p50_ms": {
                timed.recipe.name: {"warm": timed.warm_ms, "cold": timed.cold_ms}
                for timed in self.recipes
            },
            "cookbook_cold_is": self.cold_is,
            "statistics_refresh_seconds_per_million_nodes": self.refresh_seconds_per_million,
            "statistics_bytes_per_node": self.statistics_bytes_per_node,
        }


def measure(home: Home, name: str, rounds: list[RoundRow]) -> Figures:
    """Ask every question of the database `name` of this home's server, which is restarted.

    Its rounds must be filled and curated.
    """
    database = _connected(home, name)
    nodes, seconds = _counted(database, rounds)
    _rest_of_a_run(database, rounds)
    size = _statistics_bytes(database)
    warm = {recipe.name: _warm(database, recipe) for recipe in cookbook.recipes()}
    database.close()
    recipes = []
    for recipe in cookbook.recipes():
        cold = None
        if recipe.time is cookbook.AnswerTime.INTERACTIVE:
            cold = median(_cold(home, name, recipe) for _ in range(COLD))
        rows, milliseconds = warm[recipe.name]
        recipes.append(Timed(recipe, rows, milliseconds, cold))
    return Figures(
        nodes=nodes,
        recipes=tuple(recipes),
        cold_is="server restarted"
        + (", page cache dropped" if _may_drop() else "; page cache kept, no right to drop it"),
        refresh_seconds_per_million=seconds / nodes * 1e6,
        statistics_bytes_per_node=size / nodes,
    )


def report(figures: Figures) -> Table:
    """For people."""
    table = Table(
        title=f"Cookbook on {figures.nodes:,} nodes, median ms (cold: {figures.cold_is})",
        title_justify="left",
    )
    for column in ("recipe", "rows", "warm", "cold"):
        table.add_column(column, justify="left" if column == "recipe" else "right")
    for timed in figures.recipes:
        cold = "-" if timed.cold_ms is None else f"{timed.cold_ms:.0f}"
        table.add_row(timed.recipe.name, str(timed.rows), f"{timed.warm_ms:.1f}", cold)
    table.caption = (
        f"Statistics: {figures.refresh_seconds_per_million:.2f} s for a million nodes at curation, "
        f"{figures.statistics_bytes_per_node:.2f} bytes a node"
    )
    return table


def _connected(home: Home, name: str) -> Database:
    return Database(postgres.start(home).replace("/postgres?", f"/{name}?"))


def _counted(database: Database, rounds: list[RoundRow]) -> tuple[int, float]:
    """How many nodes the rounds hold, and how long counting them took."""
    started = perf_counter()
    for this_round in rounds:
        statistic_queries.refresh(database, this_round.id)
    seconds = perf_counter() - started
    with database.begin() as connection:
        nodes: int = connection.execute(
            text("SELECT sum(nodes)::bigint FROM round_statistics")
        ).scalar_one()
    return nodes, seconds


def _rest_of_a_run(database: Database, rounds: list[RoundRow]) -> None:
    """Stages with their times, and a dataset version with an item for each problem."""
    run_id, last = rounds[0].run_id, rounds[-1]
    for this_round in rounds:
        runs.begin_stage(
            database, run_id=run_id, round_number=this_round.number, name=StageName.SEARCH, gpus=8
        )
    with database.begin() as connection:
        rows = connection.execute(
            text(
                "SELECT t.id, s.problem_id, p.question FROM trajectories AS t "
                "JOIN searches AS s ON s.id = t.search_id "
                "JOIN problems AS p ON p.id = s.problem_id "
                "WHERE t.round_id = :round_id AND t.correct ORDER BY t.id LIMIT :most"
            ),
            {"round_id": last.id, "most": ITEMS},
        )
        items = [
            DatasetItemRecord(
                problem_id=problem_id,
                group_key=f"trajectory {trajectory_id}",
                prompt=question,
                chosen="",
                trajectory_id=trajectory_id,
            )
            for trajectory_id, problem_id, question in rows
        ]
    there = datasets.find(database, run_id=run_id, round_number=last.number, kind=DatasetKind.SFT)
    if there is None:
        datasets.create(
            database,
            run_id=run_id,
            round_number=last.number,
            kind=DatasetKind.SFT,
            spec={},
            items=items,
        )
    with database.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(text("VACUUM ANALYZE datasets, dataset_items, stages"))


def _statistics_bytes(database: Database) -> int:
    with database.begin() as connection:
        size: int = connection.execute(
            text(
                "SELECT sum(pg_total_relation_size(oid))::bigint FROM pg_class "
                "WHERE relname LIKE '%\\_statistics' AND relkind = 'r' "
                "AND relnamespace = 'public'::regnamespace"
            )
        ).scalar_one()
    return size


def _ask(database: Database, recipe: cookbook.Recipe) -> tuple[int, float]:
    """Rows and milliseconds."""
    limits = readonly.Limits(seconds=600)
    started = perf_counter()
    answer = readonly.run(database, recipe.sql, recipe.values({}), limits=limits)
    return len(answer.rows), (perf_counter() - started) * 1000


def _warm(database: Database, recipe: cookbook.Recipe) -> tuple[int, float]:
    rows, _ = _ask(database, recipe)
    times = WARM if recipe.time is cookbook.AnswerTime.INTERACTIVE else 1
    return rows, median(_ask(database, recipe)[1] for _ in range(times))


def _cold(home: Home, name: str, recipe: cookbook.Recipe) -> float:
    """One answer right after the start of the server."""
    postgres.stop(home)
    if _may_drop():
        os.sync()
        _DROP_CACHES.write_text("1")
    database = _connected(home, name)
    try:
        return _ask(database, recipe)[1]
    finally:
        database.close()


def _may_drop() -> bool:
    return os.access(_DROP_CACHES, os.W_OK)


def measure_filled(home: Home, name: str, nodes: int) -> Figures:
    """Fill the empty database `name` of this home's server with curated rounds, and ask."""
    database = _connected(home, name)
    migrate.ensure(database)
    run = runs.by_name(database, "bench")
    if run is None:
        made = fill(database, nodes=nodes, rounds=ROUNDS)
        for this_round in made:
            mining.mine(database, this_round.id)
    else:
        made = runs.rounds_of(database, run.id)
    database.close()
    return measure(home, name, made)


def main() -> None:
    """Fill a database of its own, or ask the one that an earlier call left in --home."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--nodes", type=int, default=10_000_000)
    parser.add_argument("--home", type=Path, help="keep the server and its database here")
    parser.add_argument("--database", default="postgres")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        home = open_home(options.home or Path(folder))
        try:
            figures = measure_filled(home, options.database, options.nodes)
        finally:
            postgres.stop(home)
    Console().print(report(figures))
    RESULT.parent.mkdir(parents=True, exist_ok=True)
    RESULT.write_text(json.dumps(figures.as_json(), indent=1))


if __name__ == "__main__":
    main()
