"""Figure 4: what a node costs on the disk, and what a billion of them would."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import text

from db.migrate import PARTITION_PREFIX
from db.records.runs import RoundRow
from db.session import Database

BILLION = 1_000_000_000


@dataclass(frozen=True, slots=True)
class Size:
    """Bytes a node of one round's partition, and of what was mined from it."""

    heap: float
    indexes: float
    toast: float
    mined: float
    texts: float
    """Of the heap: the step, its observation and its error, as they are."""

    @property
    def total(self) -> float:
        """Heap, indexes and TOAST of the nodes."""
        return self.heap + self.indexes + self.toast


def measure(database: Database, this_round: RoundRow) -> Size:
    """The sizes of a filled and mined round; the database must hold no other."""
    partition = f"{PARTITION_PREFIX}{this_round.id}"
    with database.begin() as connection:
        row = connection.execute(
            text(
                """
                SELECT pg_relation_size(c.oid), pg_indexes_size(c.oid),
                       coalesce(pg_total_relation_size(nullif(c.reltoastrelid, 0)), 0),
                       pg_total_relation_size('trajectories')
                           + pg_total_relation_size('preference_pairs'),
                       n.nodes, n.texts
                FROM pg_class AS c, (
                    SELECT count(*) AS nodes,
                           sum(octet_length(text) + octet_length(observation)
                               + coalesce(octet_length(error), 0))::bigint AS texts
                    FROM nodes WHERE round_id = :round_id
                ) AS n
                WHERE c.oid = CAST(:partition AS regclass)
                """
            ),
            {"partition": partition, "round_id": this_round.id},
        ).one()
    heap, indexes, toast, mined, nodes, texts = row
    return Size(heap / nodes, indexes / nodes, toast / nodes, mined / nodes, texts / nodes)


def projection(
    *, size: Size, json_bytes: float, ingest: float, mine_seconds: float, mined_nodes: int
) -> str:
    """What a round of a billion nodes would take, and on which measured figures that rests."""
    terabytes = BILLION / 1e12
    return (
        f"A billion nodes, each figure scaled linearly from this run: {size.total * terabytes:.2f} "
        f"TB in Postgres ({size.heap:.0f} bytes heap + {size.indexes:.0f} indexes + "
        f"{size.toast:.0f} TOAST a node, of which {size.texts:.0f} are texts of this generator; "
        f"another policy's texts change this one for one) and {size.mined * terabytes:.2f} TB of "
        f"trajectories and pairs, against {json_bytes * terabytes:.2f} TB as JSON; "
        f"{BILLION / ingest / 3600:.1f} hours of one writer's ingest at {ingest:,.0f} nodes a "
        f"second; {BILLION / mined_nodes * mine_seconds / 3600:.1f} hours of mining at the rate of "
        f"{mined_nodes:,} nodes in {mine_seconds:.1f} s, which assumes that memory grows with the "
        "round: 256 MB of work_mem held the visited nodes here, a larger round's spill to the disk."
    )
