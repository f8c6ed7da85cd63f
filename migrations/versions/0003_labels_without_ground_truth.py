"""Labels without a ground truth and synthetic problems; steps in words."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

STEPS_IN_WORDS = ("thought", "subquestion", "reanswer", "rephrased")
SEARCH_STATUS = postgresql.ENUM(name="search_status", create_type=False)
VERDICT = postgresql.ENUM(name="verdict", create_type=False)
DRAFT_STATUS = postgresql.ENUM(
    "kept",
    "dropped",
    "disagreed",
    "duplicate",
    "unreadable",
    name="draft_status",
    create_type=False,
)


def upgrade() -> None:
    for kind in STEPS_IN_WORDS:
        op.execute(f"ALTER TYPE step_kind ADD VALUE IF NOT EXISTS '{kind}' BEFORE 'unparsable'")
    _create_consistency()
    DRAFT_STATUS.create(op.get_bind())
    _create_synthesis()


def _create_consistency() -> None:
    op.create_table(
        "consistency_candidates",
        sa.Column("search_id", sa.BigInteger(), nullable=False),
        sa.Column(
            "leaf_no",
            sa.Integer(),
            autoincrement=False,
            nullable=False,
        ),
        sa.Column("round_id", sa.BigInteger(), nullable=False),
        sa.Column(
            "confidence",
            sa.Float(),
            nullable=False,
        ),
        sa.Column("mean_q", sa.Float(), nullable=False),
        sa.Column("steps", sa.Integer(), nullable=False),
        sa.Column("status", SEARCH_STATUS, server_default="open", nullable=False),
        sa.Column(
            "lease_token",
            sa.BigInteger(),
            server_default="0",
            nullable=False,
        ),
        sa.Column("lease_owner", sa.String(), nullable=True),
        sa.Column("lease_expires_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column(
            "failures",
            sa.Integer(),
            server_default="0",
            nullable=False,
        ),
        sa.Column("last_error", sa.String(), nullable=True),
        sa.CheckConstraint(
            "confidence BETWEEN 0 AND 1",
            name=op.f("ck_consistency_candidates_confidence_is_a_share"),
        ),
        sa.CheckConstraint(
            "abs(mean_q) <= 1", name=op.f("ck_consistency_candidates_mean_q_in_range")
        ),
        sa.CheckConstraint("steps >= 1", name=op.f("ck_consistency_candidates_steps_from_one")),
        sa.CheckConstraint(
            "(status = 'leased') = (lease_owner IS NOT NULL AND lease_expires_at IS NOT NULL)",
            name=op.f("ck_consistency_candidates_leased_has_owner"),
        ),
        sa.CheckConstraint(
            "lease_token >= 0 AND failures >= 0",
            name=op.f("ck_consistency_candidates_counters_not_negative"),
        ),
        sa.ForeignKeyConstraint(
            ["search_id"], ["searches.id"], name=op.f("fk_consistency_candidates_search_id")
        ),
        sa.ForeignKeyConstraint(
            ["round_id"], ["rounds.id"], name=op.f("fk_consistency_candidates_round_id")
        ),
        sa.PrimaryKeyConstraint("search_id", "leaf_no", name=op.f("pk_consistency_candidates")),
    )
    op.create_index(
        "ix_consistency_candidates_round_id_status",
        "consistency_candidates",
        ["round_id", "status"],
    )
    op.create_table(
        "consistency_checks",
        sa.Column("search_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("leaf_no", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("check_no", sa.SmallInteger(), autoincrement=False, nullable=False),
        sa.Column(
            "discriminator",
            sa.String(),
            nullable=False,
        ),
        sa.Column("seed", sa.BigInteger(), nullable=False),
        sa.Column("prefix_share", sa.Float(), nullable=False),
        sa.Column(
            "prefix_steps",
            sa.Integer(),
            nullable=False,
        ),
        sa.Column(
            "of_steps",
            sa.Integer(),
            nullable=False,
        ),
        sa.Column("completion", sa.String(), nullable=False),
        sa.Column("answer", sa.String(), nullable=True),
        sa.Column(
            "verdict",
            VERDICT,
            nullable=True,
        ),
        sa.Column(
            "agrees",
            sa.Boolean(),
            sa.Computed("verdict IS NOT NULL AND verdict = 'equal'", persisted=True),
            nullable=False,
        ),
        sa.Column("generated_tokens", sa.Integer(), nullable=False),
        sa.Column(
            "created_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
        ),
        sa.CheckConstraint(
            "prefix_share BETWEEN 0.2 AND 0.8",
            name=op.f("ck_consistency_checks_prefix_share_in_range"),
        ),
        sa.CheckConstraint(
            "prefix_steps >= 0 AND prefix_steps < of_steps",
            name=op.f("ck_consistency_checks_prefix_is_proper"),
        ),
        sa.CheckConstraint(
            "(verdict IS NULL) = (answer IS NULL)",
            name=op.f("ck_consistency_checks_answers_are_compared"),
        ),
        sa.CheckConstraint("check_no >= 0", name=op.f("ck_consistency_checks_check_no_from_zero")),
        sa.ForeignKeyConstraint(
            ["search_id", "leaf_no"],
            ["consistency_candidates.search_id", "consistency_candidates.leaf_no"],
            name=op.f("fk_consistency_checks_search_id_leaf_no"),
        ),
        sa.PrimaryKeyConstraint(
            "search_id", "leaf_no", "check_no", name=op.f("pk_consistency_checks")
        ),
    )


def _create_synthesis() -> None:
    op.create_table(
        "synthesis_drafts",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("run_id", sa.BigInteger(), nullable=False),
        sa.Column("batch_seed", sa.BigInteger(), nullable=False),
        sa.Column("draft_no", sa.Integer(), nullable=False),
        sa.Column("status", DRAFT_STATUS, nullable=False),
        sa.Column(
            "seed_problem_ids",
            postgresql.ARRAY(sa.BigInteger()),
            nullable=False,
        ),
        sa.Column("writer", sa.String(), nullable=False),
        sa.Column("prompt_version", sa.String(), nullable=False),
        sa.Column("sampling_seed", sa.BigInteger(), nullable=False),
        sa.Column("question", sa.String(), nullable=True),
        sa.Column("solver", sa.String(), nullable=True),
        sa.Column("solutions", sa.SmallInteger(), nullable=False),
        sa.Column(
            "agreeing",
            sa.SmallInteger(),
            nullable=False,
        ),
        sa.Column("answer", sa.String(), nullable=True),
        sa.Column("problem_id", sa.BigInteger(), nullable=True),
        sa.Column(
            "correct_share",
            sa.Float(),
            nullable=True,
        ),
        sa.Column("dropped_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column(
            "created_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
        ),
        sa.CheckConstraint(
            "(status IN ('kept', 'dropped')) = (problem_id IS NOT NULL)",
            name=op.f("ck_synthesis_drafts_kept_has_problem"),
        ),
        sa.CheckConstraint(
            "(status = 'dropped') = (dropped_at IS NOT NULL)",
            name=op.f("ck_synthesis_drafts_dropped_has_time"),
        ),
        sa.CheckConstraint(
            "agreeing BETWEEN 0 AND solutions",
            name=op.f("ck_synthesis_drafts_agreeing_within_solutions"),
        ),
        sa.CheckConstraint(
            "(solutions > 0) = (solver IS NOT NULL)",
            name=op.f("ck_synthesis_drafts_solutions_have_solver"),
        ),
        sa.CheckConstraint(
            "(status = 'unreadable') = (question IS NULL)",
            name=op.f("ck_synthesis_drafts_read_has_question"),
        ),
        sa.CheckConstraint(
            "cardinality(seed_problem_ids) > 0", name=op.f("ck_synthesis_drafts_has_seed_problems")
        ),
        sa.CheckConstraint(
            "correct_share BETWEEN 0 AND 1",
            name=op.f("ck_synthesis_drafts_correct_share_is_a_share"),
        ),
        sa.CheckConstraint("draft_no >= 0", name=op.f("ck_synthesis_drafts_draft_no_from_zero")),
        sa.ForeignKeyConstraint(["run_id"], ["runs.id"], name=op.f("fk_synthesis_drafts_run_id")),
        sa.ForeignKeyConstraint(
            ["problem_id"], ["problems.id"], name=op.f("fk_synthesis_drafts_problem_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_synthesis_drafts")),
        sa.UniqueConstraint("problem_id", name=op.f("uq_synthesis_drafts_problem_id")),
        sa.UniqueConstraint(
            "run_id",
            "batch_seed",
            "draft_no",
            name=op.f("uq_synthesis_drafts_run_id_batch_seed_draft_no"),
        ),
    )


def downgrade() -> None:
    op.drop_table("synthesis_drafts")
    DRAFT_STATUS.drop(op.get_bind())
    op.drop_table("consistency_checks")
    op.drop_table("consistency_candidates")
    # Postgres cannot take a value out of an enum; step_kind keeps those of STEPS_IN_WORDS.
