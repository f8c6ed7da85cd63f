"""What is counted of a round when it is curated, and the GPUs that a stage held."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

STEP_KIND = postgresql.ENUM(name="step_kind", create_type=False)
OUTCOME = postgresql.ENUM(name="outcome", create_type=False)
PAIR_KIND = postgresql.ENUM(name="pair_kind", create_type=False)
TABLES = (
    "pair_statistics",
    "prior_statistics",
    "problem_statistics",
    "q_statistics",
    "round_statistics",
    "search_statistics",
    "step_statistics",
)


def upgrade() -> None:
    op.create_table(
        "pair_statistics",
        sa.Column("round_id", sa.BigInteger(), nullable=False),
        sa.Column("kind", PAIR_KIND, nullable=False),
        sa.Column("depth", sa.SmallInteger(), nullable=False),
        sa.Column("prefixes", sa.BigInteger(), nullable=False),
        sa.Column("contested_prefixes", sa.BigInteger(), nullable=False),
        sa.Column("paired_prefixes", sa.BigInteger(), nullable=False),
        sa.Column("pairs", sa.BigInteger(), nullable=False),
        sa.Column("mean_margin", sa.Float(), nullable=True),
        sa.ForeignKeyConstraint(
            ["round_id"], ["rounds.id"], name=op.f("fk_pair_statistics_round_id")
        ),
        sa.PrimaryKeyConstraint("round_id", "kind", "depth", name=op.f("pk_pair_statistics")),
    )
    op.create_table(
        "prior_statistics",
        sa.Column("round_id", sa.BigInteger(), nullable=False),
        sa.Column("depth", sa.SmallInteger(), nullable=False),
        sa.Column("bin", sa.SmallInteger(), nullable=False),
        sa.Column("steps", sa.BigInteger(), nullable=False),
        sa.Column("prior_sum", sa.Float(), nullable=False),
        sa.Column("value_sum", sa.Float(), nullable=False),
        sa.Column("squared_error_sum", sa.Float(), nullable=False),
        sa.ForeignKeyConstraint(
            ["round_id"], ["rounds.id"], name=op.f("fk_prior_statistics_round_id")
        ),
        sa.PrimaryKeyConstraint("round_id", "depth", "bin", name=op.f("pk_prior_statistics")),
    )
    op.create_table(
        "problem_statistics",
        sa.Column("round_id", sa.BigInteger(), nullable=False),
        sa.Column("problem_id", sa.BigInteger(), nullable=False),
        sa.Column("searches", sa.Integer(), nullable=False),
        sa.Column("solved_searches", sa.Integer(), nullable=False),
        sa.Column("rollouts", sa.Integer(), nullable=False),
        sa.Column("correct_rollouts", sa.Integer(), nullable=False),
        sa.Column("generated_tokens", sa.BigInteger(), nullable=False),
        sa.Column("top_wrong_answer", sa.String(), nullable=True),
        sa.Column("top_wrong_rollouts", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(
            ["problem_id"], ["problems.id"], name=op.f("fk_problem_statistics_problem_id")
        ),
        sa.ForeignKeyConstraint(
            ["round_id"], ["rounds.id"], name=op.f("fk_problem_statistics_round_id")
        ),
        sa.PrimaryKeyConstraint("round_id", "problem_id", name=op.f("pk_problem_statistics")),
    )
    op.create_table(
        "q_statistics",
        sa.Column("round_id", sa.BigInteger(), nullable=False),
        sa.Column("depth", sa.SmallInteger(), nullable=False),
        sa.Column("bin", sa.SmallInteger(), nullable=False),
        sa.Column("steps", sa.BigInteger(), nullable=False),
        sa.Column("correct_rollouts", sa.Float(), nullable=False),
        sa.Column("wrong_rollouts", sa.Float(), nullable=False),
        sa.ForeignKeyConstraint(["round_id"], ["rounds.id"], name=op.f("fk_q_statistics_round_id")),
        sa.PrimaryKeyConstraint("round_id", "depth", "bin", name=op.f("pk_q_statistics")),
    )
    op.create_table(
        "round_statistics",
        sa.Column("round_id", sa.BigInteger(), nullable=False),
        sa.Column("refreshed_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("searches", sa.Integer(), nullable=False),
        sa.Column("problems", sa.Integer(), nullable=False),
        sa.Column("solved_problems", sa.Integer(), nullable=False),
        sa.Column("nodes", sa.BigInteger(), nullable=False),
        sa.Column("rollouts", sa.BigInteger(), nullable=False),
        sa.Column("generated_tokens", sa.BigInteger(), nullable=False),
        sa.Column("wasted_tokens", sa.BigInteger(), nullable=False),
        sa.Column("search_seconds", sa.Float(), nullable=False),
        sa.Column("sandbox_seconds", sa.Float(), nullable=False),
        sa.Column("trajectories", sa.BigInteger(), nullable=False),
        sa.Column("correct_trajectories", sa.BigInteger(), nullable=False),
        sa.Column("pairs", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(
            ["round_id"], ["rounds.id"], name=op.f("fk_round_statistics_round_id")
        ),
        sa.PrimaryKeyConstraint("round_id", name=op.f("pk_round_statistics")),
    )
    op.create_table(
        "step_statistics",
        sa.Column("round_id", sa.BigInteger(), nullable=False),
        sa.Column("depth", sa.SmallInteger(), nullable=False),
        sa.Column("kind", STEP_KIND, nullable=False),
        sa.Column("outcome", OUTCOME, nullable=False),
        sa.Column("error_type", sa.String(), nullable=False),
        sa.Column("visited", sa.Boolean(), nullable=False),
        sa.Column("steps", sa.BigInteger(), nullable=False),
        sa.Column("candidates", sa.BigInteger(), nullable=False),
        sa.Column("generated_tokens", sa.BigInteger(), nullable=False),
        sa.Column("wall_seconds", sa.Float(), nullable=False),
        sa.Column("slowest_seconds", sa.REAL(), nullable=False),
        sa.ForeignKeyConstraint(
            ["round_id"], ["rounds.id"], name=op.f("fk_step_statistics_round_id")
        ),
        sa.PrimaryKeyConstraint(
            "round_id",
            "depth",
            "kind",
            "outcome",
            "error_type",
            "visited",
            name=op.f("pk_step_statistics"),
        ),
    )
    op.create_table(
        "search_statistics",
        sa.Column("search_id", sa.BigInteger(), nullable=False),
        sa.Column("round_id", sa.BigInteger(), nullable=False),
        sa.Column("correct_rollouts", sa.Integer(), nullable=False),
        sa.Column("failed_steps", sa.Integer(), nullable=False),
        sa.Column("duplicate_candidates", sa.Integer(), nullable=False),
        sa.Column("wasted_tokens", sa.BigInteger(), nullable=False),
        sa.Column("sandbox_seconds", sa.Float(), nullable=False),
        sa.Column("slowest_node_no", sa.Integer(), nullable=True),
        sa.Column("slowest_seconds", sa.REAL(), nullable=True),
        sa.Column("dead_end_node_no", sa.Integer(), nullable=True),
        sa.Column("dead_end_depth", sa.SmallInteger(), nullable=True),
        sa.Column("disagreeing_answers", sa.Integer(), nullable=False),
        sa.Column("disagreeing_node_no", sa.Integer(), nullable=True),
        sa.ForeignKeyConstraint(
            ["round_id"], ["rounds.id"], name=op.f("fk_search_statistics_round_id")
        ),
        sa.ForeignKeyConstraint(
            ["search_id"], ["searches.id"], name=op.f("fk_search_statistics_search_id")
        ),
        sa.PrimaryKeyConstraint("search_id", name=op.f("pk_search_statistics")),
    )
    op.create_index(
        op.f("ix_search_statistics_round_id"), "search_statistics", ["round_id"], unique=False
    )
    op.add_column("stages", sa.Column("gpus", sa.Float(), nullable=True))


def downgrade() -> None:
    op.drop_column("stages", "gpus")
    for table in TABLES:
        op.drop_table(table)
