"""The bulk path: whole trees enter `nodes` by binary COPY, on the caller's transaction."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    from psycopg import Connection as PsycopgConnection
    from sqlalchemy import Connection

    from db.records import NodeRecord

# Enum columns are sent as text: the binary form of a Postgres enum value is its label.
_NODE_COLUMNS: tuple[tuple[str, str], ...] = (
    ("round_id", "int8"),
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


def copy_nodes(
    connection: Connection, nodes: Iterable[NodeRecord], *, round_id: int, search_id: int
) -> None:
    """Write the nodes of one search. The partition of the round must exist."""
    names = ", ".join(name for name, _ in _NODE_COLUMNS)
    driver: PsycopgConnection[tuple[object, ...]] = connection.connection.driver_connection  # type: ignore[assignment]
    with (
        driver.cursor() as cursor,
        cursor.copy(f"COPY nodes ({names}) FROM STDIN (FORMAT BINARY)") as copy,
    ):
        copy.set_types([kind for _, kind in _NODE_COLUMNS])
        for node in nodes:
            copy.write_row(
                (
                    round_id,
                    search_id,
                    node.node_no,
                    node.parent_no,
                    node.depth,
                    node.kind.value,
                    node.outcome.value,
                    node.terminal_reason and node.terminal_reason.value,
                    node.verdict and node.verdict.value,
                    node.leads_to_correct,
                    node.leads_to_wrong,
                    node.visit_count,
                    node.value_sum,
                    node.prior,
                    node.reward,
                    node.generated_tokens,
                    node.proposals,
                    node.wall_seconds,
                    node.text,
                    node.observation,
                    node.error,
                )
            )
