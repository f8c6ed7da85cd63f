"""Trees can be labelled again beside their first labels; suspicious problems can be reviewed."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None

REVIEW_DECISION = postgresql.ENUM(
    "ok", "mislabelled", "ambiguous", name="review_decision", create_type=False
)


def upgrade() -> None:
    REVIEW_DECISION.create(op.get_bind())
    op.create_table(
        "labellings",
        sa.Column("round_id", sa.BigInteger(), nullable=False),
        sa.Column("source_round_id", sa.BigInteger(), nullable=False),
        sa.Column("spec", postgresql.JSONB(), nullable=False),
        sa.Column(
            "created_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
        ),
        sa.CheckConstraint(
            "round_id <> source_round_id", name=op.f("ck_labellings_of_another_round")
        ),
        sa.ForeignKeyConstraint(["round_id"], ["rounds.id"], name=op.f("fk_labellings_round_id")),
        sa.ForeignKeyConstraint(
            ["source_round_id"], ["rounds.id"], name=op.f("fk_labellings_source_round_id")
        ),
        sa.PrimaryKeyConstraint("round_id", name=op.f("pk_labellings")),
    )
    op.create_index("ix_labellings_source_round_id", "labellings", ["source_round_id"])
    op.create_table(
        "problem_reviews",
        sa.Column("problem_id", sa.BigInteger(), nullable=False),
        sa.Column("decision", REVIEW_DECISION, nullable=False),
        sa.Column("note", sa.String(), server_default="", nullable=False),
        sa.Column(
            "created_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
        ),
        sa.ForeignKeyConstraint(
            ["problem_id"], ["problems.id"], name=op.f("fk_problem_reviews_problem_id")
        ),
        sa.PrimaryKeyConstraint("problem_id", name=op.f("pk_problem_reviews")),
    )


def downgrade() -> None:
    op.drop_table("problem_reviews")
    op.drop_table("labellings")
    REVIEW_DECISION.drop(op.get_bind())
