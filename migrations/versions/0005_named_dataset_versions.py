"""Named dataset versions: their manifest, the labels of their items, and what was left out."""

from __future__ import annotations

from functools import partial

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

EXCLUSION_RULE = postgresql.ENUM(
    "near_duplicate", "ngram", "minhash", name="exclusion_rule", create_type=False
)
ITEM_CHECKS = (
    ("weight_is_a_share", "weight > 0 AND weight <= 1"),
    ("margin_in_range", "margin > 0 AND margin <= 2"),
    ("solve_rate_is_a_share", "solve_rate BETWEEN 0 AND 1"),
    ("each_step_has_its_q", "cardinality(step_lengths) = cardinality(step_q)"),
)

ITEM_COLUMNS = (
    "depth",
    "correct",
    "q_value",
    "margin",
    "weight",
    "solve_rate",
    "step_lengths",
    "step_q",
)


def upgrade() -> None:
    op.execute("ALTER TYPE dataset_kind ADD VALUE IF NOT EXISTS 'stepwise'")
    op.add_column("datasets", sa.Column("name", sa.String(), nullable=True))
    op.add_column(
        "datasets",
        sa.Column(
            "manifest",
            postgresql.JSONB(astext_type=sa.Text()),
            server_default=sa.text("'{}'"),
            nullable=False,
        ),
    )
    op.alter_column("datasets", "round_number", nullable=True)
    op.create_unique_constraint(op.f("uq_datasets_name"), "datasets", ["name"])
    op.create_check_constraint(op.f("ck_datasets_name_not_empty"), "datasets", "name <> ''")
    op.create_check_constraint(
        op.f("ck_datasets_named_or_of_a_round"),
        "datasets",
        "(name IS NULL) <> (round_number IS NULL)",
    )
    add = partial(op.add_column, "dataset_items")
    add(sa.Column("depth", sa.SmallInteger(), nullable=True))
    add(sa.Column("correct", sa.Boolean(), nullable=True))
    add(sa.Column("q_value", sa.Float(), nullable=True))
    add(sa.Column("margin", sa.Float(), nullable=True))
    add(sa.Column("weight", sa.Float(), server_default="1", nullable=False))
    add(sa.Column("solve_rate", sa.REAL(), nullable=True))
    add(sa.Column("step_lengths", postgresql.ARRAY(sa.INTEGER()), nullable=True))
    add(sa.Column("step_q", postgresql.ARRAY(postgresql.DOUBLE_PRECISION()), nullable=True))
    for name, rule in ITEM_CHECKS:
        op.create_check_constraint(op.f(f"ck_dataset_items_{name}"), "dataset_items", rule)
    _create_exclusions()


def _create_exclusions() -> None:
    EXCLUSION_RULE.create(op.get_bind())
    op.create_table(
        "dataset_exclusions",
        sa.Column("dataset_id", sa.BigInteger(), nullable=False),
        sa.Column("problem_id", sa.BigInteger(), nullable=False),
        sa.Column("rule", EXCLUSION_RULE, nullable=False),
        sa.Column("score", sa.Float(), nullable=False),
        sa.Column("duplicate_of", sa.BigInteger(), nullable=True),
        sa.Column("benchmark", sa.String(), nullable=True),
        sa.Column("benchmark_item", sa.String(), nullable=True),
        sa.Column("evidence", sa.String(), nullable=False),
        sa.CheckConstraint(
            "score > 0 AND score <= 1", name=op.f("ck_dataset_exclusions_score_is_a_share")
        ),
        sa.CheckConstraint(
            "(rule = 'near_duplicate') = (duplicate_of IS NOT NULL)",
            name=op.f("ck_dataset_exclusions_duplicate_names_the_kept_one"),
        ),
        sa.CheckConstraint(
            "(benchmark IS NULL) = (rule = 'near_duplicate') "
            "AND (benchmark IS NULL) = (benchmark_item IS NULL)",
            name=op.f("ck_dataset_exclusions_contamination_names_the_benchmark"),
        ),
        sa.ForeignKeyConstraint(
            ["dataset_id"], ["datasets.id"], name=op.f("fk_dataset_exclusions_dataset_id")
        ),
        sa.ForeignKeyConstraint(
            ["problem_id"], ["problems.id"], name=op.f("fk_dataset_exclusions_problem_id")
        ),
        sa.ForeignKeyConstraint(
            ["duplicate_of"], ["problems.id"], name=op.f("fk_dataset_exclusions_duplicate_of")
        ),
        sa.PrimaryKeyConstraint("dataset_id", "problem_id", name=op.f("pk_dataset_exclusions")),
    )
    op.execute(
        "CREATE TRIGGER dataset_exclusions_are_immutable BEFORE UPDATE OR DELETE "
        "ON dataset_exclusions FOR EACH STATEMENT EXECUTE FUNCTION refuse_change()"
    )


def downgrade() -> None:
    # A named version cannot be kept in the older schema, and a version may not change.
    op.execute("""
        DO $$ BEGIN
            IF EXISTS (SELECT FROM datasets WHERE name IS NOT NULL) THEN
                RAISE EXCEPTION 'named dataset versions exist; the older schema cannot hold them'
                    USING HINT = 'Export them, then drop the database and restore a backup.';
            END IF;
        END $$
    """)
    op.drop_table("dataset_exclusions")
    EXCLUSION_RULE.drop(op.get_bind())
    for name, _ in ITEM_CHECKS:
        op.drop_constraint(op.f(f"ck_dataset_items_{name}"), "dataset_items")
    for column in ITEM_COLUMNS:
        op.drop_column("dataset_items", column)
    op.drop_constraint(op.f("ck_datasets_named_or_of_a_round"), "datasets")
    op.drop_constraint(op.f("ck_datasets_name_not_empty"), "datasets")
    op.drop_constraint(op.f("uq_datasets_name"), "datasets")
    op.alter_column("datasets", "round_number", nullable=False)
    op.drop_column("datasets", "manifest")
    op.drop_column("datasets", "name")
    # Postgres cannot take a value out of an enum; dataset_kind keeps 'stepwise'.
