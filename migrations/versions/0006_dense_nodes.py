"""Dense nodes: columns by alignment, a four-byte round, a key that is 8 bytes narrower.

Rewrites every partition inside one transaction: nobody can read `nodes` meanwhile, it takes as
much disk again as the nodes do, and about 8 seconds a million nodes. With work going on it gives
up after the lock timeout and changes nothing; stop the workers and run it again.
"""

from __future__ import annotations

from alembic import op
from sqlalchemy import text

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

_TYPES = {
    "search_id": "bigint NOT NULL",
    "value_sum": "double precision NOT NULL",
    "q_value": "double precision GENERATED ALWAYS AS (value_sum / greatest(visit_count + "
    "CASE WHEN prior IS NULL THEN 0 ELSE 1 END, 1)) STORED NOT NULL",
    "node_no": "integer NOT NULL",
    "visit_count": "integer NOT NULL",
    "generated_tokens": "integer NOT NULL",
    "wall_seconds": "real NOT NULL",
    "kind": "step_kind NOT NULL",
    "outcome": "outcome NOT NULL",
    "parent_no": "integer",
    "prior": "real",
    "reward": "real",
    "terminal_reason": "terminal_reason",
    "verdict": "verdict",
    "depth": "smallint NOT NULL",
    "proposals": "smallint NOT NULL",
    "leads_to_correct": "boolean NOT NULL",
    "leads_to_wrong": "boolean NOT NULL",
    "text": "character varying NOT NULL",
    "observation": "character varying NOT NULL",
    "error": "character varying",
}
# Eight bytes, four, the four-byte ones that are mostly null, two, one, then the texts.
_DENSE = (
    *("search_id", "value_sum", "q_value", "round_id", "node_no", "visit_count"),
    *("generated_tokens", "wall_seconds", "kind", "outcome", "parent_no", "prior", "reward"),
    *("terminal_reason", "verdict", "depth", "proposals", "leads_to_correct", "leads_to_wrong"),
    *("text", "observation", "error"),
)
_FIRST = (
    *("round_id", "search_id", "node_no", "parent_no", "depth", "kind", "outcome"),
    *("terminal_reason", "verdict", "leads_to_correct", "leads_to_wrong", "visit_count"),
    *("value_sum", "prior", "reward", "q_value", "generated_tokens", "proposals"),
    *("wall_seconds", "text", "observation", "error"),
)
_CHECKS = {
    "only_root_has_no_parent": "(node_no = 0) = (parent_no IS NULL)",
    "parent_is_earlier": "parent_no >= 0 AND parent_no < node_no",
    "visit_count_not_negative": "visit_count >= 0",
    "prior_in_range": "abs(prior) <= 1",
    "reward_in_range": "abs(reward) <= 1",
    "terminal_has_reward": "(terminal_reason IS NULL) = (reward IS NULL)",
    "failed_is_never_visited": "outcome = 'ok' OR visit_count = 0",
    "only_answers_are_graded": "kind = 'answer' OR verdict IS NULL",
}


def upgrade() -> None:
    _rebuild(_DENSE, round_id="integer", key="search_id, node_no, round_id")
    # Texts beyond 2 kB are compressed; lz4 is the faster way, where the server was built with it.
    op.execute("""
        DO $$ BEGIN
            ALTER TABLE nodes ALTER text SET COMPRESSION lz4,
                ALTER observation SET COMPRESSION lz4, ALTER error SET COMPRESSION lz4;
        EXCEPTION WHEN feature_not_supported OR invalid_parameter_value THEN NULL;
        END $$
    """)


def downgrade() -> None:
    _rebuild(_FIRST, round_id="bigint", key="round_id, search_id, node_no")


def _rebuild(columns: tuple[str, ...], *, round_id: str, key: str) -> None:
    """Make `nodes` anew with these columns and this key, and move every row."""
    types = {**_TYPES, "round_id": f"{round_id} NOT NULL"}
    moved = ", ".join(column for column in columns if column != "q_value")
    partitions = (
        op.get_bind()
        .execute(
            text(
                "SELECT c.relname, pg_get_expr(c.relpartbound, c.oid) FROM pg_inherits AS i "
                "JOIN pg_class AS c ON c.oid = i.inhrelid WHERE i.inhparent = 'nodes'::regclass"
            )
        )
        .all()
    )
    op.execute("ALTER TABLE nodes RENAME TO nodes_before")
    op.execute("ALTER INDEX pk_nodes RENAME TO pk_nodes_before")
    checks = [f"CONSTRAINT ck_nodes_{name} CHECK ({rule})" for name, rule in _CHECKS.items()]
    body = ", ".join([*(f"{column} {types[column]}" for column in columns), *checks])
    op.execute(f"CREATE TABLE nodes ({body}) PARTITION BY LIST (round_id)")
    for name, bound in partitions:
        op.execute(f"ALTER TABLE {name} RENAME TO {name}_before")
        op.execute(f"CREATE TABLE {name} PARTITION OF nodes {bound}")
        # In the order of the key, in which a tree lies together.
        op.execute(
            f"INSERT INTO {name} ({moved}) SELECT {moved} FROM {name}_before "
            "ORDER BY search_id, node_no"
        )
    op.execute("DROP TABLE nodes_before")
    op.execute(f"ALTER TABLE nodes ADD CONSTRAINT pk_nodes PRIMARY KEY ({key})")
