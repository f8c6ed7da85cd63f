"""A rollout may end because a model's context does not hold the path to its node."""

from __future__ import annotations

from alembic import op

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("ALTER TYPE terminal_reason ADD VALUE IF NOT EXISTS 'prompt_too_long'")


def downgrade() -> None:
    """Postgres cannot take a value from an enumeration; nobody writes it any more."""
