"""The life of a round's nodes: attached, detached, archived, attached again.

Every step can be cut anywhere and run again. A table is dropped only in the transaction that
records its file, after the file was read back and counted; a file is forgotten only in the
transaction that made its table again.

Only what reads or writes such a file imports `services.archives.files`, since Arrow is slow to
load.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from db.queries import partitions
from db.records.archives import ArchiveRow
from db.vocabulary import NodesState
from services.archives.checksums import checksum, verify
from services.errors import ArchiveDamaged, ConfigurationError

if TYPE_CHECKING:
    from db.records.archives import RoundNodes
    from db.session import Database


def find(database: Database, run: str, number: int) -> RoundNodes:
    """A round by its run and number.

    Raises:
        ConfigurationError: there is none.
    """
    for row in partitions.rounds(database):
        if (row.run, row.number) == (run, number):
            return row
    raise ConfigurationError(
        f"The run {run} has no round {number}. `stepforge rounds list` names those there are."
    )


def detach(database: Database, this: RoundNodes) -> None:
    """Take a round's nodes out of `nodes`; done already, it changes nothing.

    Raises:
        ConfigurationError: the round still has searches to do.
        RoundBusy: another process moves its nodes.
    """
    with partitions.alone(database, this.round_id) as connection:
        if partitions.of_round(connection, this.round_id).state is NodesState.ATTACHED:
            _insist_on_finished(database, this)
            partitions.detach(connection, this.round_id)


def archive(database: Database, this: RoundNodes, folder: Path) -> ArchiveRow:
    """Write a round's nodes to a Parquet file in `folder` and drop their table.

    Raises:
        ConfigurationError: the round still has searches to do, or is archived already.
        ArchiveDamaged: the file does not hold what the table held; the table is kept.
        RoundBusy: another process moves its nodes.
    """
    from services.archives import files

    folder.mkdir(parents=True, exist_ok=True)
    path = folder.resolve() / f"{this.run}-round-{this.number}-{this.round_id}.parquet"
    with partitions.alone(database, this.round_id) as connection:
        state = partitions.of_round(connection, this.round_id).state
        if state is NodesState.ARCHIVED:
            raise ConfigurationError(f"Round {this.number} of {this.run} is archived already.")
        if state is NodesState.ATTACHED:
            _insist_on_finished(database, this)
            partitions.detach(connection, this.round_id)
        with database.begin() as reading:
            count = files.write(path, partitions.read(reading, this.round_id, batch=files.BATCH))
        if count != sum(len(rows) for rows in files.read(path)):
            raise ArchiveDamaged(f"{path} was written short; the nodes are kept. Try again.")
        made = ArchiveRow(this.round_id, str(path), count, path.stat().st_size, checksum(path))
        with database.begin() as recording:
            partitions.record_archive(recording, made)
    return made


def attach(database: Database, this: RoundNodes, path: Path | None = None) -> None:
    """Put a round's nodes back into `nodes`, from the file where they are archived.

    The file is left where it is. `path` names it where it was moved.

    Raises:
        ArchiveDamaged: the file is gone or has changed.
        RoundBusy: another process moves its nodes.
    """
    with partitions.alone(database, this.round_id) as connection:
        state = partitions.of_round(connection, this.round_id).state
        if state is NodesState.ARCHIVED:
            (row,) = (a for a in partitions.archives(database) if a.round_id == this.round_id)
            file = path or Path(row.path)
            verify(row, file)
            from services.archives import files

            with database.begin() as restoring:
                count = partitions.restore(restoring, this.round_id, files.read(file))
                if count != row.node_count:
                    raise ArchiveDamaged(f"{file} holds {count} nodes, not {row.node_count}.")
                partitions.forget_archive(restoring, this.round_id)
                partitions.attach(restoring, this.round_id)
        elif state is NodesState.DETACHED:
            partitions.attach(connection, this.round_id)


def retain(database: Database, *, newest: int, folder: Path) -> list[ArchiveRow]:
    """Archive the finished rounds of every run but its newest ones; those that are not yet."""
    made = []
    of_run: dict[str, list[RoundNodes]] = {}
    for row in partitions.rounds(database):
        of_run.setdefault(row.run, []).append(row)
    for rounds in of_run.values():
        for row in rounds[: max(len(rounds) - newest, 0)]:
            if row.finished and row.state is not NodesState.ARCHIVED:
                made.append(archive(database, row, folder))
    return made


def damaged(database: Database) -> list[str]:
    """What is wrong with the files of archived rounds; reads each of them whole."""
    found = []
    for row in partitions.archives(database):
        try:
            verify(row, Path(row.path))
        except ArchiveDamaged as error:
            found.append(str(error))
    return found


def _insist_on_finished(database: Database, this: RoundNodes) -> None:
    left = partitions.unfinished(database, this.round_id)
    if left:
        raise ConfigurationError(
            f"Round {this.number} of {this.run} still has {left} searches to do. Let the run end "
            "(`stepforge evolve`) before its nodes are moved."
        )
