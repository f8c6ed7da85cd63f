"""The first schema: problems, runs, searches, nodes, curation, checkpoints, evaluations."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

STEP_KIND = postgresql.ENUM(
    "root", "code", "final_code", "answer", "unparsable", name="step_kind", create_type=False
)
OUTCOME = postgresql.ENUM(
    "ok", "raised", "timed_out", "out_of_memory", "unparsable", name="outcome", create_type=False
)
TERMINAL_REASON = postgresql.ENUM(
    "answer",
    "execution_errors",
    "max_depth",
    "unparsable_step",
    name="terminal_reason",
    create_type=False,
)
VERDICT = postgresql.ENUM("equal", "different", "undecided", name="verdict", create_type=False)
DATASET_KIND = postgresql.ENUM("sft", "preference", name="dataset_kind", create_type=False)
SPLIT = postgresql.ENUM("train", "held_out", name="split", create_type=False)
STAGE_STATUS = postgresql.ENUM("running", "done", name="stage_status", create_type=False)
CHECKPOINT_KIND = postgresql.ENUM("policy", "ppm", name="checkpoint_kind", create_type=False)
SEARCH_STATUS = postgresql.ENUM(
    "open", "leased", "done", "failed", name="search_status", create_type=False
)
PAIR_KIND = postgresql.ENUM("step", "answer", name="pair_kind", create_type=False)
ENUMS = (
    STEP_KIND,
    OUTCOME,
    TERMINAL_REASON,
    VERDICT,
    DATASET_KIND,
    SPLIT,
    STAGE_STATUS,
    CHECKPOINT_KIND,
    SEARCH_STATUS,
    PAIR_KIND,
)

# A dataset version is what a checkpoint was trained on; it may never change.
IMMUTABLE = ("datasets", "dataset_items")


def upgrade() -> None:
    for enum in ENUMS:
        enum.create(op.get_bind())
    op.create_table(
        "nodes",
        sa.Column("round_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("search_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("node_no", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("parent_no", sa.Integer(), nullable=True),
        sa.Column("depth", sa.SmallInteger(), nullable=False),
        sa.Column("kind", STEP_KIND, nullable=False),
        sa.Column("outcome", OUTCOME, nullable=False),
        sa.Column("terminal_reason", TERMINAL_REASON, nullable=True),
        sa.Column("verdict", VERDICT, nullable=True),
        sa.Column(
            "leads_to_correct",
            sa.Boolean(),
            nullable=False,
            comment="Some rollout through it was correct",
        ),
        sa.Column(
            "leads_to_wrong",
            sa.Boolean(),
            nullable=False,
            comment="Some rollout through it was wrong",
        ),
        sa.Column(
            "visit_count", sa.Integer(), nullable=False, comment="Rollouts through this node"
        ),
        sa.Column(
            "value_sum",
            sa.Float(),
            nullable=False,
            comment="Sum of the rewards of those rollouts, and of the prior where there is one",
        ),
        sa.Column("prior", sa.REAL(), nullable=True, comment="PPM(prefix) when it was made"),
        sa.Column("reward", sa.REAL(), nullable=True, comment="+1, -1, or 0 for undecided"),
        sa.Column(
            "q_value",
            sa.Float(),
            sa.Computed(
                "value_sum / greatest(visit_count + CASE WHEN prior IS NULL THEN 0 ELSE 1 END, 1)",
                persisted=True,
            ),
            nullable=False,
            comment="Q = value_sum / visit_count; a prior counts as one visit, so that |Q| <= 1",
        ),
        sa.Column("generated_tokens", sa.Integer(), nullable=False),
        sa.Column(
            "proposals",
            sa.SmallInteger(),
            nullable=False,
            comment="How many candidates of the expansion had this text",
        ),
        sa.Column("wall_seconds", sa.REAL(), nullable=False, comment="Execution time of the step"),
        sa.Column("text", sa.String(), nullable=False),
        sa.Column(
            "observation",
            sa.String(),
            nullable=False,
            comment="What the policy saw of the execution",
        ),
        sa.Column("error", sa.String(), nullable=True, comment="Exception type and message"),
        sa.CheckConstraint(
            "kind = 'answer' OR verdict IS NULL", name=op.f("ck_nodes_only_answers_are_graded")
        ),
        sa.CheckConstraint(
            "outcome = 'ok' OR visit_count = 0", name=op.f("ck_nodes_failed_is_never_visited")
        ),
        sa.CheckConstraint(
            "(node_no = 0) = (parent_no IS NULL)", name=op.f("ck_nodes_only_root_has_no_parent")
        ),
        sa.CheckConstraint(
            "(terminal_reason IS NULL) = (reward IS NULL)",
            name=op.f("ck_nodes_terminal_has_reward"),
        ),
        sa.CheckConstraint("abs(prior) <= 1", name=op.f("ck_nodes_prior_in_range")),
        sa.CheckConstraint("abs(reward) <= 1", name=op.f("ck_nodes_reward_in_range")),
        sa.CheckConstraint(
            "parent_no >= 0 AND parent_no < node_no", name=op.f("ck_nodes_parent_is_earlier")
        ),
        sa.CheckConstraint("visit_count >= 0", name=op.f("ck_nodes_visit_count_not_negative")),
        sa.PrimaryKeyConstraint("round_id", "search_id", "node_no", name=op.f("pk_nodes")),
        postgresql_partition_by="LIST (round_id)",
    )
    op.create_table(
        "problems",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column(
            "source",
            sa.String(),
            nullable=False,
            comment="Where the problem was first imported from",
        ),
        sa.Column("external_id", sa.String(), nullable=False, comment="Its id in that source"),
        sa.Column("question", sa.String(), nullable=False),
        sa.Column(
            "answer", sa.String(), nullable=True, comment="Ground truth; missing for open problems"
        ),
        sa.Column(
            "solution",
            sa.String(),
            nullable=True,
            comment="Reference solution, if the source has one",
        ),
        sa.Column(
            "content_hash",
            sa.LargeBinary(),
            nullable=False,
            comment="sha256 of the normalised question: one row a question",
        ),
        sa.Column(
            "created_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
        ),
        sa.CheckConstraint("question <> ''", name=op.f("ck_problems_question_not_empty")),
        sa.CheckConstraint(
            "octet_length(content_hash) = 32", name=op.f("ck_problems_content_hash_is_sha256")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_problems")),
        sa.UniqueConstraint("content_hash", name=op.f("uq_problems_content_hash")),
    )
    op.create_table(
        "runs",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column(
            "profile",
            postgresql.JSONB(astext_type=sa.Text()),
            nullable=False,
            comment="The whole profile, so that every label can be explained",
        ),
        sa.Column("base_model", sa.String(), nullable=False, comment="Folder of the base model"),
        sa.Column(
            "created_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
        ),
        sa.CheckConstraint("name <> ''", name=op.f("ck_runs_name_not_empty")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_runs")),
        sa.UniqueConstraint("name", name=op.f("uq_runs_name")),
    )
    op.create_table(
        "datasets",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("run_id", sa.BigInteger(), nullable=False),
        sa.Column("round_number", sa.Integer(), nullable=False, comment="0 is the bootstrap set"),
        sa.Column("kind", DATASET_KIND, nullable=False),
        sa.Column(
            "spec",
            postgresql.JSONB(astext_type=sa.Text()),
            nullable=False,
            comment="How the items were chosen",
        ),
        sa.Column("item_count", sa.Integer(), nullable=False),
        sa.Column(
            "content_hash",
            sa.LargeBinary(),
            nullable=False,
            comment="sha256 over the items, in order",
        ),
        sa.Column(
            "created_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
        ),
        sa.CheckConstraint("item_count > 0", name=op.f("ck_datasets_not_empty")),
        sa.ForeignKeyConstraint(["run_id"], ["runs.id"], name=op.f("fk_datasets_run_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_datasets")),
        sa.UniqueConstraint(
            "run_id", "round_number", "kind", name=op.f("uq_datasets_run_id_round_number_kind")
        ),
    )
    op.create_table(
        "run_problems",
        sa.Column("run_id", sa.BigInteger(), nullable=False),
        sa.Column("problem_id", sa.BigInteger(), nullable=False),
        sa.Column("split", SPLIT, nullable=False),
        sa.Column("position", sa.Integer(), nullable=False, comment="Order within the run"),
        sa.CheckConstraint("position >= 0", name=op.f("ck_run_problems_position_not_negative")),
        sa.ForeignKeyConstraint(
            ["problem_id"], ["problems.id"], name=op.f("fk_run_problems_problem_id")
        ),
        sa.ForeignKeyConstraint(["run_id"], ["runs.id"], name=op.f("fk_run_problems_run_id")),
        sa.PrimaryKeyConstraint("run_id", "problem_id", name=op.f("pk_run_problems")),
    )
    op.create_index("ix_run_problems_problem_id", "run_problems", ["problem_id"], unique=False)
    op.create_index(
        "ix_run_problems_run_id_position", "run_problems", ["run_id", "position"], unique=True
    )
    op.create_table(
        "stages",
        sa.Column("run_id", sa.BigInteger(), nullable=False),
        sa.Column("round_number", sa.Integer(), nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("status", STAGE_STATUS, nullable=False),
        sa.Column("started_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("finished_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column(
            "seconds", sa.Float(), nullable=False, comment="Wall time spent, over all attempts"
        ),
        sa.CheckConstraint(
            "(status = 'done') = (finished_at IS NOT NULL)", name=op.f("ck_stages_done_has_end")
        ),
        sa.CheckConstraint("round_number >= 0", name=op.f("ck_stages_round_number_from_zero")),
        sa.CheckConstraint("seconds >= 0", name=op.f("ck_stages_seconds_not_negative")),
        sa.ForeignKeyConstraint(["run_id"], ["runs.id"], name=op.f("fk_stages_run_id")),
        sa.PrimaryKeyConstraint("run_id", "round_number", "name", name=op.f("pk_stages")),
    )
    op.create_table(
        "checkpoints",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("run_id", sa.BigInteger(), nullable=False),
        sa.Column(
            "round_number",
            sa.Integer(),
            nullable=False,
            comment="Round that trained it; 0 is the bootstrap",
        ),
        sa.Column("kind", CHECKPOINT_KIND, nullable=False),
        sa.Column("path", sa.String(), nullable=False),
        sa.Column(
            "started_from",
            sa.String(),
            nullable=False,
            comment="Folder of the model it was trained from",
        ),
        sa.Column("dataset_id", sa.BigInteger(), nullable=False),
        sa.Column("content_hash", sa.String(), nullable=False),
        sa.Column("metrics", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column(
            "created_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
        ),
        sa.ForeignKeyConstraint(
            ["dataset_id"], ["datasets.id"], name=op.f("fk_checkpoints_dataset_id")
        ),
        sa.ForeignKeyConstraint(["run_id"], ["runs.id"], name=op.f("fk_checkpoints_run_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_checkpoints")),
        sa.UniqueConstraint(
            "run_id", "round_number", "kind", name=op.f("uq_checkpoints_run_id_round_number_kind")
        ),
    )
    op.create_table(
        "evaluations",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("checkpoint_id", sa.BigInteger(), nullable=False),
        sa.Column(
            "benchmark", sa.String(), nullable=False, comment="held_out, or a named benchmark"
        ),
        sa.Column("metric", sa.String(), nullable=False, comment="pass@1 (greedy)"),
        sa.Column("correct", sa.Integer(), nullable=False),
        sa.Column("total", sa.Integer(), nullable=False),
        sa.Column(
            "created_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
        ),
        sa.CheckConstraint(
            "correct BETWEEN 0 AND total", name=op.f("ck_evaluations_correct_within_total")
        ),
        sa.CheckConstraint("total > 0", name=op.f("ck_evaluations_not_empty")),
        sa.ForeignKeyConstraint(
            ["checkpoint_id"], ["checkpoints.id"], name=op.f("fk_evaluations_checkpoint_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_evaluations")),
        sa.UniqueConstraint(
            "checkpoint_id",
            "benchmark",
            "metric",
            name=op.f("uq_evaluations_checkpoint_id_benchmark_metric"),
        ),
    )
    op.create_table(
        "rounds",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("run_id", sa.BigInteger(), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column(
            "policy_checkpoint_id",
            sa.BigInteger(),
            nullable=True,
            comment="The policy that searches; null: the bootstrap endpoint's model",
        ),
        sa.Column(
            "ppm_checkpoint_id",
            sa.BigInteger(),
            nullable=True,
            comment="The PPM that gives the priors; null: terminal-guided",
        ),
        sa.Column("finished_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column(
            "created_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
        ),
        sa.CheckConstraint("number >= 1", name=op.f("ck_rounds_number_from_one")),
        sa.ForeignKeyConstraint(
            ["policy_checkpoint_id"],
            ["checkpoints.id"],
            name=op.f("fk_rounds_policy_checkpoint_id"),
        ),
        sa.ForeignKeyConstraint(
            ["ppm_checkpoint_id"], ["checkpoints.id"], name=op.f("fk_rounds_ppm_checkpoint_id")
        ),
        sa.ForeignKeyConstraint(["run_id"], ["runs.id"], name=op.f("fk_rounds_run_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_rounds")),
        sa.UniqueConstraint("run_id", "number", name=op.f("uq_rounds_run_id_number")),
    )
    op.create_table(
        "evaluation_answers",
        sa.Column("evaluation_id", sa.BigInteger(), nullable=False),
        sa.Column("problem_id", sa.BigInteger(), nullable=False),
        sa.Column("verdict", VERDICT, nullable=True, comment="Null where no answer was given"),
        sa.Column("completion", sa.String(), nullable=False),
        sa.ForeignKeyConstraint(
            ["evaluation_id"], ["evaluations.id"], name=op.f("fk_evaluation_answers_evaluation_id")
        ),
        sa.ForeignKeyConstraint(
            ["problem_id"], ["problems.id"], name=op.f("fk_evaluation_answers_problem_id")
        ),
        sa.PrimaryKeyConstraint("evaluation_id", "problem_id", name=op.f("pk_evaluation_answers")),
    )
    op.create_table(
        "searches",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("round_id", sa.BigInteger(), nullable=False),
        sa.Column("problem_id", sa.BigInteger(), nullable=False),
        sa.Column("seed", sa.BigInteger(), nullable=False),
        sa.Column("status", SEARCH_STATUS, server_default="open", nullable=False),
        sa.Column(
            "lease_token",
            sa.BigInteger(),
            server_default="0",
            nullable=False,
            comment="Rises with every claim; a stale one commits nothing",
        ),
        sa.Column("lease_owner", sa.String(), nullable=True),
        sa.Column("lease_expires_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column(
            "failures",
            sa.Integer(),
            server_default="0",
            nullable=False,
            comment="Infrastructure failures",
        ),
        sa.Column("last_error", sa.String(), nullable=True),
        sa.Column("solved", sa.Boolean(), nullable=True, comment="A correct trajectory was found"),
        sa.Column("rollouts", sa.Integer(), server_default="0", nullable=False),
        sa.Column("node_count", sa.Integer(), server_default="0", nullable=False),
        sa.Column("generated_tokens", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column(
            "seconds",
            sa.Float(),
            server_default="0",
            nullable=False,
            comment="Wall time of the search",
        ),
        sa.Column(
            "sandbox", sa.String(), nullable=True, comment="Provider and image that ran the steps"
        ),
        sa.Column("finished_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column(
            "created_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
        ),
        sa.CheckConstraint(
            "(status = 'done') = (solved IS NOT NULL)", name=op.f("ck_searches_done_has_result")
        ),
        sa.CheckConstraint(
            "(status = 'leased') = (lease_owner IS NOT NULL AND lease_expires_at IS NOT NULL)",
            name=op.f("ck_searches_leased_has_owner"),
        ),
        sa.CheckConstraint(
            "lease_token >= 0 AND failures >= 0", name=op.f("ck_searches_counters_not_negative")
        ),
        sa.ForeignKeyConstraint(
            ["problem_id"], ["problems.id"], name=op.f("fk_searches_problem_id")
        ),
        sa.ForeignKeyConstraint(["round_id"], ["rounds.id"], name=op.f("fk_searches_round_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_searches")),
        sa.UniqueConstraint(
            "round_id", "problem_id", "seed", name=op.f("uq_searches_round_id_problem_id_seed")
        ),
    )
    op.create_index("ix_searches_problem_id", "searches", ["problem_id"], unique=False)
    op.create_index("ix_searches_round_id_status", "searches", ["round_id", "status"], unique=False)
    op.create_table(
        "preference_pairs",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("round_id", sa.BigInteger(), nullable=False),
        sa.Column("search_id", sa.BigInteger(), nullable=False),
        sa.Column("kind", PAIR_KIND, nullable=False),
        sa.Column(
            "parent_no", sa.Integer(), nullable=True, comment="Node after which both steps stand"
        ),
        sa.Column("chosen_no", sa.Integer(), nullable=False),
        sa.Column("rejected_no", sa.Integer(), nullable=False),
        sa.Column("chosen_q", sa.Float(), nullable=False),
        sa.Column("rejected_q", sa.Float(), nullable=False),
        sa.Column(
            "margin",
            sa.Float(),
            sa.Computed("chosen_q - rejected_q", persisted=True),
            nullable=False,
        ),
        sa.Column("chosen_visits", sa.Integer(), nullable=False),
        sa.Column("rejected_visits", sa.Integer(), nullable=False),
        sa.CheckConstraint(
            "(kind = 'step') = (parent_no IS NOT NULL)",
            name=op.f("ck_preference_pairs_steps_share_a_prefix"),
        ),
        sa.CheckConstraint("chosen_no <> rejected_no", name=op.f("ck_preference_pairs_two_nodes")),
        sa.CheckConstraint(
            "chosen_q > rejected_q", name=op.f("ck_preference_pairs_chosen_is_better")
        ),
        sa.ForeignKeyConstraint(
            ["round_id"], ["rounds.id"], name=op.f("fk_preference_pairs_round_id")
        ),
        sa.ForeignKeyConstraint(
            ["search_id"], ["searches.id"], name=op.f("fk_preference_pairs_search_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_preference_pairs")),
        sa.UniqueConstraint(
            "search_id",
            "kind",
            "chosen_no",
            "rejected_no",
            name=op.f("uq_preference_pairs_search_id_kind_chosen_no_rejected_no"),
        ),
    )
    op.create_index("ix_preference_pairs_round_id", "preference_pairs", ["round_id"], unique=False)
    op.create_table(
        "trajectories",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("round_id", sa.BigInteger(), nullable=False),
        sa.Column("search_id", sa.BigInteger(), nullable=False),
        sa.Column("leaf_no", sa.Integer(), nullable=False),
        sa.Column("correct", sa.Boolean(), nullable=False),
        sa.Column(
            "mean_q", sa.Float(), nullable=False, comment="Mean Q of its steps, the root left out"
        ),
        sa.Column("steps", sa.Integer(), nullable=False),
        sa.Column(
            "rank",
            sa.Integer(),
            nullable=False,
            comment="1 is the problem's best in this round, among equally correct ones",
        ),
        sa.Column(
            "node_path",
            postgresql.ARRAY(sa.INTEGER()),
            nullable=False,
            comment="node_no from the root",
        ),
        sa.CheckConstraint("abs(mean_q) <= 1", name=op.f("ck_trajectories_mean_q_in_range")),
        sa.CheckConstraint(
            "cardinality(node_path) = steps + 1", name=op.f("ck_trajectories_path_has_all_steps")
        ),
        sa.ForeignKeyConstraint(["round_id"], ["rounds.id"], name=op.f("fk_trajectories_round_id")),
        sa.ForeignKeyConstraint(
            ["search_id"], ["searches.id"], name=op.f("fk_trajectories_search_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_trajectories")),
        sa.UniqueConstraint("search_id", "leaf_no", name=op.f("uq_trajectories_search_id_leaf_no")),
    )
    op.create_index("ix_trajectories_round_id", "trajectories", ["round_id"], unique=False)
    op.create_table(
        "dataset_items",
        sa.Column("dataset_id", sa.BigInteger(), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("problem_id", sa.BigInteger(), nullable=False),
        sa.Column(
            "group_key",
            sa.String(),
            nullable=False,
            comment="Pairs of one step share it; else the item's own",
        ),
        sa.Column("prompt", sa.String(), nullable=False),
        sa.Column(
            "chosen", sa.String(), nullable=False, comment="The completion, or the preferred one"
        ),
        sa.Column("rejected", sa.String(), nullable=True),
        sa.Column("trajectory_id", sa.BigInteger(), nullable=True),
        sa.Column("pair_id", sa.BigInteger(), nullable=True),
        sa.ForeignKeyConstraint(
            ["dataset_id"], ["datasets.id"], name=op.f("fk_dataset_items_dataset_id")
        ),
        sa.ForeignKeyConstraint(
            ["pair_id"], ["preference_pairs.id"], name=op.f("fk_dataset_items_pair_id")
        ),
        sa.ForeignKeyConstraint(
            ["problem_id"], ["problems.id"], name=op.f("fk_dataset_items_problem_id")
        ),
        sa.ForeignKeyConstraint(
            ["trajectory_id"], ["trajectories.id"], name=op.f("fk_dataset_items_trajectory_id")
        ),
        sa.PrimaryKeyConstraint("dataset_id", "position", name=op.f("pk_dataset_items")),
    )
    op.create_index(op.f("ix_dataset_items_pair_id"), "dataset_items", ["pair_id"], unique=False)
    op.create_index(
        "ix_dataset_items_trajectory_id", "dataset_items", ["trajectory_id"], unique=False
    )
    op.execute("""
        CREATE FUNCTION refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN
            RAISE EXCEPTION 'a dataset version is immutable: % of % refused', TG_OP, TG_TABLE_NAME
                USING HINT = 'Make a new version instead.';
        END $$
    """)
    for table in IMMUTABLE:
        op.execute(
            f"CREATE TRIGGER {table}_are_immutable BEFORE UPDATE OR DELETE ON {table} "
            "FOR EACH STATEMENT EXECUTE FUNCTION refuse_change()"
        )
    # A role belongs to the whole cluster: another database of it may have made it already.
    op.execute("""
        DO $$ BEGIN
            IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'stepforge_reader') THEN
                CREATE ROLE stepforge_reader NOLOGIN;
            END IF;
        END $$
    """)
    op.execute("GRANT USAGE ON SCHEMA public TO stepforge_reader")
    op.execute("GRANT SELECT ON ALL TABLES IN SCHEMA public TO stepforge_reader")
    op.execute(
        "ALTER DEFAULT PRIVILEGES IN SCHEMA public GRANT SELECT ON TABLES TO stepforge_reader"
    )


def downgrade() -> None:
    op.drop_table("dataset_items")
    op.drop_table("trajectories")
    op.drop_table("preference_pairs")
    op.drop_table("searches")
    op.drop_table("evaluation_answers")
    op.drop_table("rounds")
    op.drop_table("evaluations")
    op.drop_table("checkpoints")
    op.drop_table("stages")
    op.drop_table("run_problems")
    op.drop_table("datasets")
    op.drop_table("runs")
    op.drop_table("problems")
    op.drop_table("nodes")
    op.execute("DROP FUNCTION refuse_change()")
    op.execute("DROP OWNED BY stepforge_reader")
    for enum in ENUMS:
        enum.drop(op.get_bind())
