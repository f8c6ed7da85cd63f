"""Archived rounds: which file holds the nodes of a round that has no partition any more."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "archives",
        sa.Column("round_id", sa.BigInteger(), nullable=False),
        sa.Column("path", sa.String(), nullable=False),
        sa.Column("node_count", sa.BigInteger(), nullable=False),
        sa.Column("file_bytes", sa.BigInteger(), nullable=False),
        sa.Column("sha256", sa.LargeBinary(), nullable=False),
        sa.Column(
            "created_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
        ),
        sa.CheckConstraint(
            "node_count >= 0 AND file_bytes > 0", name=op.f("ck_archives_counts_not_negative")
        ),
        sa.CheckConstraint("octet_length(sha256) = 32", name=op.f("ck_archives_sha256_is_sha256")),
        sa.ForeignKeyConstraint(["round_id"], ["rounds.id"], name=op.f("fk_archives_round_id")),
        sa.PrimaryKeyConstraint("round_id", name=op.f("pk_archives")),
    )


def downgrade() -> None:
    op.drop_table("archives")
