"""Rounds leave Postgres and come back: nothing is lost, what is elsewhere is not forgotten."""

from __future__ import annotations

from pathlib import Path

import pytest

from db import bulk
from db.errors import QueryRejected, RoundBusy
from db.queries import integrity, mining, partitions, runs, searches
from db.queries.readonly import Limits
from db.records.runs import RoundRow
from db.records.searches import NodeRecord
from db.session import Database
from db.vocabulary import NodesState
from services.archives import asking, files, lifecycle
from services.errors import ArchiveDamaged, ConfigurationError
from tests.factories import claimed, planned_round, result


def done_round(database: Database) -> RoundRow:
    """A mined and finished round of three trees."""
    this_round = planned_round(database, count=3)
    bulk.commit_trees(database, [(search, result()) for search in claimed(database, this_round)])
    mining.mine(database, this_round.id)
    runs.finish_round(database, this_round.id)
    return this_round


def trees_of(database: Database, this_round: RoundRow) -> list[tuple[int, tuple[NodeRecord, ...]]]:
    with database.begin() as connection:
        return list(bulk.read_trees(connection, this_round.id))


def state(database: Database) -> NodesState:
    (row,) = partitions.rounds(database)
    return row.state


def test_an_archived_round_comes_back_as_it_was(database: Database, tmp_path: Path) -> None:
    this_round = done_round(database)
    before = trees_of(database, this_round)
    made = lifecycle.archive(database, lifecycle.find(database, "run", 1), tmp_path)
    assert (state(database), made.node_count) == (NodesState.ARCHIVED, 15)
    assert trees_of(database, this_round) == []
    assert integrity.violations(database) == []
    assert lifecycle.damaged(database) == []
    lifecycle.attach(database, lifecycle.find(database, "run", 1))
    assert state(database) is NodesState.ATTACHED
    assert trees_of(database, this_round) == before
    assert integrity.violations(database) == []


def test_a_detached_round_is_attached_again(database: Database) -> None:
    this_round = done_round(database)
    before = trees_of(database, this_round)
    for _ in range(2):  # again changes nothing
        lifecycle.detach(database, lifecycle.find(database, "run", 1))
    assert (state(database), trees_of(database, this_round)) == (NodesState.DETACHED, [])
    assert integrity.violations(database) == []
    lifecycle.attach(database, lifecycle.find(database, "run", 1))
    assert trees_of(database, this_round) == before


def test_a_round_with_searches_to_do_is_not_moved(database: Database, tmp_path: Path) -> None:
    planned_round(database, count=3)
    with pytest.raises(ConfigurationError, match="still has 3 searches to do"):
        lifecycle.archive(database, lifecycle.find(database, "run", 1), tmp_path)
    assert state(database) is NodesState.ATTACHED


def test_a_changed_file_is_not_attached(database: Database, tmp_path: Path) -> None:
    done_round(database)
    made = lifecycle.archive(database, lifecycle.find(database, "run", 1), tmp_path)
    content = bytearray(Path(made.path).read_bytes())
    content[len(content) // 2] ^= 1
    Path(made.path).write_bytes(content)
    with pytest.raises(ArchiveDamaged, match="has changed since it was written"):
        lifecycle.attach(database, lifecycle.find(database, "run", 1))
    assert state(database) is NodesState.ARCHIVED
    (sentence,) = lifecycle.damaged(database)
    assert "Bring the file back" in sentence


def test_a_file_that_moved_is_named(database: Database, tmp_path: Path) -> None:
    this_round = done_round(database)
    made = lifecycle.archive(database, lifecycle.find(database, "run", 1), tmp_path / "a")
    moved = Path(made.path).rename(tmp_path / "elsewhere.parquet")
    with pytest.raises(ArchiveDamaged, match="cannot be read"):
        lifecycle.attach(database, lifecycle.find(database, "run", 1))
    lifecycle.attach(database, lifecycle.find(database, "run", 1), moved)
    assert len(trees_of(database, this_round)) == 3


def test_a_cut_archiving_is_done_again(
    database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    this_round = done_round(database)

    def cut(*_: object) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as disk:
        disk.setattr(files, "_flush", cut)
        with pytest.raises(OSError, match="No space left"):
            lifecycle.archive(database, lifecycle.find(database, "run", 1), tmp_path)
    assert list(tmp_path.iterdir()) == []
    assert (state(database), integrity.violations(database)) == (NodesState.DETACHED, [])
    lifecycle.archive(database, lifecycle.find(database, "run", 1), tmp_path)
    lifecycle.attach(database, lifecycle.find(database, "run", 1))
    assert len(trees_of(database, this_round)) == 3


def test_only_one_process_moves_a_round(database: Database) -> None:
    this_round = done_round(database)
    with partitions.alone(database, this_round.id), pytest.raises(RoundBusy):
        lifecycle.detach(database, lifecycle.find(database, "run", 1))


def test_starting_an_archived_round_again_makes_no_empty_partition(
    database: Database, tmp_path: Path
) -> None:
    this_round = done_round(database)
    lifecycle.archive(database, lifecycle.find(database, "run", 1), tmp_path)
    runs.start_round(
        database,
        run_id=this_round.run_id,
        number=1,
        policy_checkpoint_id=None,
        ppm_checkpoint_id=None,
    )
    assert state(database) is NodesState.ARCHIVED
    assert searches.progress(database, this_round.id).nodes == 15


def test_retention_archives_all_but_the_newest_rounds(database: Database, tmp_path: Path) -> None:
    this_round = done_round(database)
    assert lifecycle.retain(database, newest=1, folder=tmp_path) == []
    runs.start_round(
        database,
        run_id=this_round.run_id,
        number=2,
        policy_checkpoint_id=None,
        ppm_checkpoint_id=None,
    )
    (made,) = lifecycle.retain(database, newest=1, folder=tmp_path)
    assert made.round_id == this_round.id
    assert [row.state for row in partitions.rounds(database)] == ["archived", "attached"]


def test_archives_are_queried_where_they_lie(database: Database, tmp_path: Path) -> None:
    done_round(database)
    lifecycle.archive(database, lifecycle.find(database, "run", 1), tmp_path)
    archives = partitions.archives(database)
    asked = asking.ask(
        archives,
        "SELECT kind, count(*), max(q_value) FROM nodes GROUP BY 1 ORDER BY 1",
    )
    assert asked.rows == (("answer", 6, 1.0), ("code", 6, 1.0), ("root", 3, 1 / 3))


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT * FROM read_text('/etc/passwd')",
        "COPY nodes TO '/tmp/copied.csv'",
        "SET enable_external_access = true",
        "SELECT nonsense FROM nodes",
        "SELECT 1; SELECT 2",
        "CREATE TABLE mine AS SELECT 1",
        "",
        " -- nothing",
        ";",
    ],
)
def test_a_query_of_the_archives_is_one_that_reads_them(
    database: Database, tmp_path: Path, sql: str
) -> None:
    done_round(database)
    lifecycle.archive(database, lifecycle.find(database, "run", 1), tmp_path)
    with pytest.raises(QueryRejected) as caught:
        asking.ask(partitions.archives(database), sql)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("sql", "limits", "said"),
    [
        (
            "SELECT count(DISTINCT a.i + b.i) FROM range(1000000) a(i), range(1000000) b(i)",
            Limits(seconds=0.2),
            r"stopped after 0\.2 s.* --timeout",
        ),
        (
            "SELECT list(repeat('x', 16000) || i) FROM range(300000) t(i)",
            Limits(memory_megabytes=100),
            "more than 100 MB of memory",
        ),
    ],
)
def test_a_query_of_the_archives_is_bounded(
    database: Database, tmp_path: Path, sql: str, limits: Limits, said: str
) -> None:
    done_round(database)
    lifecycle.archive(database, lifecycle.find(database, "run", 1), tmp_path)
    with pytest.raises(QueryRejected, match=said):
        asking.ask(partitions.archives(database), sql, limits=limits)


def test_no_more_rows_of_the_archives_are_shown_than_are_wanted(
    database: Database, tmp_path: Path
) -> None:
    done_round(database)
    lifecycle.archive(database, lifecycle.find(database, "run", 1), tmp_path)
    archives = partitions.archives(database)
    few = asking.ask(archives, "SELECT * FROM nodes", limits=Limits(rows=2))
    assert len(few.rows) == 2
    assert few.cut == "Only the first 2 rows are shown."
    large = asking.ask(
        archives, "SELECT repeat('x', 400000) FROM range(9)", limits=Limits(megabytes=1)
    )
    assert len(large.rows) == 2
    assert large.cut == "Only the first 2 rows are shown: more than 1 MB."
