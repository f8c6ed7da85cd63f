"""The bulk path: batches of trees enter and leave `nodes` by binary COPY, and change as a set.

A batch is one transaction, fenced and idempotent: the trees of the searches whose lease is still
the one they were claimed under are written, together with their results; a search that is done
already under this very lease is left as it is; the others were lost to another worker, and nothing
of them is written. A batch that is cut anywhere leaves nothing behind and may be sent again.

A tree may come whole or as it grows, the new nodes each time and what became of the others.
"""

from __future__ import annotations

from dataclasses import dataclass
from operator import attrgetter
from typing import TYPE_CHECKING, Any

from sqlalchemy import text

from db.migrate import PARTITION_PREFIX
from db.records.searches import NodeRecord
from db.session import raw
from db.vocabulary import Outcome, StepKind, TerminalReason, Verdict

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from sqlalchemy import Connection

    from db.records.searches import ClaimedSearch, NodeChange, SearchResult
    from db.session import Database

# Enum columns are sent as text: the binary form of a Postgres enum value is its label.
NODE_COLUMNS: tuple[tuple[str, str], ...] = (
    ("round_id", "int4"),
    ("search_id", "int8"),
    ("node_no", "int4"),
    ("parent_no", "int4"),
    ("depth", "int2"),
    ("kind", "text"),
    ("outcome", "text"),
    ("terminal_reason", "text"),
    ("verdict", "text"),
    ("leads_to_correct", "bool"),
    ("leads_to_wrong", "bool"),
    ("visit_count", "int4"),
    ("value_sum", "float8"),
    ("prior", "float4"),
    ("reward", "float4"),
    ("generated_tokens", "int4"),
    ("proposals", "int2"),
    ("wall_seconds", "float4"),
    ("text", "text"),
    ("observation", "text"),
    ("error", "text"),
)
"""The stored columns of a node with the types they travel as; all but the first two are fields of
`NodeRecord`, in its order."""

_FIELDS = attrgetter(*(name for name, _ in NODE_COLUMNS[2:]))
_NAMES = ", ".join(name for name, _ in NODE_COLUMNS)


@dataclass(frozen=True, slots=True)
class Committed:
    """What became of each search of a batch, by id."""

    written: frozenset[int]
    already_done: frozenset[int]
    """Done under the same lease before; nothing was written again."""
    lost: frozenset[int]
    """Claimed by another worker since; nothing was written."""


def copy_trees(
    connection: Connection, round_id: int, trees: Iterable[tuple[int, Sequence[NodeRecord]]]
) -> int:
    """Write the nodes of many searches, each given as (search_id, nodes), on this transaction.

    The round's partition must exist. Returns how many nodes were written.
    """
    written = 0
    # Straight into the partition: finding it again for each row is a twelfth of the server's work.
    partition = f"{PARTITION_PREFIX}{int(round_id)}"
    with (
        raw(connection).cursor() as cursor,
        cursor.copy(f"COPY {partition} ({_NAMES}) FROM STDIN (FORMAT BINARY)".encode()) as copy,
    ):
        copy.set_types([kind for _, kind in NODE_COLUMNS])
        write_row = copy.write_row
        for search_id, nodes in trees:
            keys = (round_id, search_id)
            written += len(nodes)
            for node in nodes:
                write_row(keys + _FIELDS(node))
    return written


def commit_trees(
    database: Database, batch: Sequence[tuple[ClaimedSearch, SearchResult]]
) -> Committed:
    """Write the trees and results of many searches, of one round or several, in one transaction.

    A result that is not done leaves its search leased.

    Costs one flush of the log to the disk; a commit for each tree costs as many.
    """
    results = {search.search_id: (search, result) for search, result in batch}
    with database.begin() as connection:
        states = _lock(connection, [search for search, _ in batch])
        written = {number for number, state in states.items() if state == "leased"}
        _advance(connection, [results[number] for number in sorted(written)])
        rounds: dict[int, list[tuple[int, SearchResult]]] = {}
        for number in sorted(written):
            search, result = results[number]
            rounds.setdefault(search.round_id, []).append((number, result))
        for round_id, ours in rounds.items():
            copy_trees(connection, round_id, ((number, result.nodes) for number, result in ours))
            changes = [(number, change) for number, result in ours for change in result.changes]
            _change_nodes(connection, round_id, changes)
    return Committed(
        written=frozenset(written),
        already_done=frozenset(states.keys() - written),
        lost=frozenset(results.keys() - states.keys()),
    )


def read_trees(
    connection: Connection, round_id: int, search_ids: Sequence[int] | None = None
) -> Iterator[tuple[int, tuple[NodeRecord, ...]]]:
    """The trees of a round by search_id, or of the searches named: what `copy_trees` was given.

    Streams: memory holds one tree. The transaction must stay open until the last one is read.
    """
    where = f"round_id = {int(round_id)}"
    if search_ids is not None:
        where += f" AND search_id = ANY('{{{','.join(str(int(k)) for k in search_ids)}}}')"
    current: int | None = None
    nodes: list[NodeRecord] = []
    with (
        raw(connection).cursor() as cursor,
        cursor.copy(
            f"COPY (SELECT {_NAMES} FROM nodes WHERE {where} ORDER BY search_id, node_no) "  # noqa: S608
            "TO STDOUT (FORMAT BINARY)".encode()
        ) as copy,
    ):
        copy.set_types([kind for _, kind in NODE_COLUMNS])
        for _, search_id, *fields in copy.rows():
            if search_id != current:
                if current is not None:
                    yield current, tuple(nodes)
                current, nodes = search_id, []
            nodes.append(_record(fields))
    if current is not None:
        yield current, tuple(nodes)


_KINDS = {word.value: word for word in StepKind}
_OUTCOMES = {word.value: word for word in Outcome}
_REASONS: dict[str | None, TerminalReason | None] = {None: None} | {
    word.value: word for word in TerminalReason
}
_VERDICTS: dict[str | None, Verdict | None] = {None: None} | {word.value: word for word in Verdict}


def _record(fields: list[Any]) -> NodeRecord:
    node_no, parent_no, depth, kind, outcome, reason, verdict, *rest = fields
    return NodeRecord(
        *(node_no, parent_no, depth, _KINDS[kind], _OUTCOMES[outcome]),
        *(_REASONS[reason], _VERDICTS[verdict], *rest),
    )


def _lock(connection: Connection, searches: Sequence[ClaimedSearch]) -> dict[int, str]:
    """The states of the searches that are held or done under the leases given, by id.

    Locked in the order of their ids, so that two batches never wait for each other.
    """
    rows = connection.execute(
        text(
            """
            SELECT s.id, s.status::text AS status
            FROM unnest(CAST(:ids AS bigint[]), CAST(:tokens AS bigint[])) AS h (id, token)
            JOIN searches AS s ON s.id = h.id AND s.lease_token = h.token
                              AND s.status IN ('leased', 'done')
            ORDER BY s.id FOR UPDATE OF s
            """
        ),
        {
            "ids": [search.search_id for search in searches],
            "tokens": [search.lease_token for search in searches],
        },
    )
    return {row.id: row.status for row in rows}


def _advance(connection: Connection, reached: Sequence[tuple[ClaimedSearch, SearchResult]]) -> None:
    """Note how far locked searches are, and which are done."""
    connection.execute(
        text(
            """
            UPDATE searches AS s
            SET status = CASE WHEN r.done THEN 'done' ELSE s.status END,
                lease_owner = CASE WHEN NOT r.done THEN s.lease_owner END,
                lease_expires_at = CASE WHEN NOT r.done THEN s.lease_expires_at END,
                finished_at = CASE WHEN r.done THEN now() END,
                solved = CASE WHEN r.done THEN r.solved END,
                rollouts = r.rollouts, node_count = s.node_count + r.new_nodes,
                generated_tokens = r.generated_tokens, seconds = r.seconds, sandbox = r.sandbox
            FROM unnest(
                CAST(:ids AS bigint[]), CAST(:done AS boolean[]), CAST(:solved AS boolean[]),
                CAST(:rollouts AS int[]), CAST(:counts AS int[]), CAST(:tokens AS bigint[]),
                CAST(:seconds AS float8[]), CAST(:sandboxes AS text[])
            ) AS r (id, done, solved, rollouts, new_nodes, generated_tokens, seconds, sandbox)
            WHERE s.id = r.id
            """
        ),
        {
            "ids": [search.search_id for search, _ in reached],
            "done": [result.done for _, result in reached],
            "solved": [result.solved for _, result in reached],
            "rollouts": [result.rollouts for _, result in reached],
            "counts": [len(result.nodes) for _, result in reached],
            "tokens": [result.generated_tokens for _, result in reached],
            "seconds": [result.seconds for _, result in reached],
            "sandboxes": [result.sandbox for _, result in reached],
        },
    )


def _change_nodes(
    connection: Connection, round_id: int, changes: Sequence[tuple[int, NodeChange]]
) -> None:
    """Bring stored nodes of a round up to date; each change comes with its search."""
    if not changes:
        return
    connection.execute(
        text(
            """
            UPDATE nodes AS n
            SET terminal_reason = CAST(c.terminal_reason AS terminal_reason),
                leads_to_correct = c.leads_to_correct, leads_to_wrong = c.leads_to_wrong,
                visit_count = c.visit_count, value_sum = c.value_sum, reward = c.reward
            FROM unnest(
                CAST(:search_ids AS bigint[]), CAST(:node_nos AS int[]),
                CAST(:reasons AS text[]), CAST(:correct AS bool[]), CAST(:wrong AS bool[]),
                CAST(:visits AS int[]), CAST(:value_sums AS float8[]), CAST(:rewards AS float4[])
            ) AS c (search_id, node_no, terminal_reason, leads_to_correct, leads_to_wrong,
                    visit_count, value_sum, reward)
            WHERE n.round_id = :round_id AND n.search_id = c.search_id AND n.node_no = c.node_no
            """
        ),
        {
            "round_id": round_id,
            "search_ids": [search_id for search_id, _ in changes],
            "node_nos": [change.node_no for _, change in changes],
            "reasons": [change.terminal_reason for _, change in changes],
            "correct": [change.leads_to_correct for _, change in changes],
            "wrong": [change.leads_to_wrong for _, change in changes],
            "visits": [change.visit_count for _, change in changes],
            "value_sums": [change.value_sum for _, change in changes],
            "rewards": [change.reward for _, change in changes],
        },
    )
