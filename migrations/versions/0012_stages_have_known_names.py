"""The name of a stage is one of an enumeration, so that no query can compare it with another word."""

from __future__ import annotations

from alembic import op

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute(
        "CREATE TYPE stage_name AS ENUM ('convert solutions', 'search', 'check consistency', "
        "'curate', 'train policy', 'train PPM', 'evaluate')"
    )
    op.execute("ALTER TABLE stages ALTER COLUMN name TYPE stage_name USING name::stage_name")


def downgrade() -> None:
    op.execute("ALTER TABLE stages ALTER COLUMN name TYPE varchar USING name::text")
    op.execute("DROP TYPE stage_name")
