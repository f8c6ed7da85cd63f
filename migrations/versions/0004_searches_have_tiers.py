"""A search says at which tier of its round's profile it was made."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column(
        "searches",
        sa.Column(
            "tier",
            sa.SmallInteger(),
            server_default="0",
            nullable=False,
            comment="Place among the profile's tiers: which rollouts and candidates applied",
        ),
    )
    op.create_check_constraint("tier_not_negative", "searches", "tier >= 0")


def downgrade() -> None:
    op.drop_column("searches", "tier")
