"""Totals by source, and the searches of a round in the order in which questions want them."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None

_ORDERS = ("wasted_tokens", "slowest_seconds", "disagreeing_answers")


def upgrade() -> None:
    op.create_table(
        "source_statistics",
        sa.Column("round_id", sa.BigInteger(), nullable=False, comment="Round"),
        sa.Column("source", sa.String(), nullable=False, comment="Source of the problems"),
        sa.Column(
            "problems",
            sa.Integer(),
            nullable=False,
            comment="Problems that done searches searched",
        ),
        sa.Column(
            "solved_problems",
            sa.Integer(),
            nullable=False,
            comment="Problems of them that a rollout solved",
        ),
        sa.Column("rollouts", sa.BigInteger(), nullable=False, comment="Rollouts that they ran"),
        sa.Column(
            "correct_rollouts",
            sa.BigInteger(),
            nullable=False,
            comment="Rollouts that ended correct",
        ),
        sa.Column(
            "generated_tokens", sa.BigInteger(), nullable=False, comment="Tokens of the policy"
        ),
        sa.ForeignKeyConstraint(
            ["round_id"], ["rounds.id"], name=op.f("fk_source_statistics_round_id")
        ),
        sa.PrimaryKeyConstraint("round_id", "source", name=op.f("pk_source_statistics")),
    )
    op.execute(
        """
        INSERT INTO source_statistics
        SELECT t.round_id, p.source, count(*), count(*) FILTER (WHERE t.solved_searches > 0),
               sum(t.rollouts), sum(t.correct_rollouts), sum(t.generated_tokens)
        FROM problem_statistics AS t JOIN problems AS p ON p.id = t.problem_id
        GROUP BY t.round_id, p.source
        """
    )
    for column in _ORDERS:
        op.create_index(
            op.f(f"ix_search_statistics_{column}"),
            "search_statistics",
            ["round_id", sa.text(f"{column} DESC"), "search_id"],
        )
    op.drop_index(op.f("ix_search_statistics_round_id"), "search_statistics")


def downgrade() -> None:
    op.create_index(op.f("ix_search_statistics_round_id"), "search_statistics", ["round_id"])
    for column in _ORDERS:
        op.drop_index(op.f(f"ix_search_statistics_{column}"), "search_statistics")
    op.drop_table("source_statistics")
