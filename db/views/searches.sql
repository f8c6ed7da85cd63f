CREATE VIEW v1.searches AS
SELECT
    s.id AS search_id,
    s.round_id,
    u.name AS run,
    r.number AS round,
    s.problem_id,
    s.seed,
    s.tier,
    s.status,
    CASE WHEN s.status = 'done' THEN s.solved END AS solved,
    CASE WHEN s.status = 'done' THEN s.rollouts END AS rollouts,
    CASE WHEN s.status = 'done' THEN s.node_count END AS nodes,
    s.generated_tokens,
    s.seconds,
    s.sandbox,
    r.policy_checkpoint_id,
    r.ppm_checkpoint_id,
    s.failures,
    s.last_error,
    s.created_at,
    s.finished_at,
    t.correct_rollouts,
    t.failed_steps,
    t.duplicate_candidates,
    t.wasted_tokens,
    t.sandbox_seconds,
    t.slowest_node_no,
    t.slowest_seconds,
    t.dead_end_node_no,
    t.dead_end_depth,
    t.disagreeing_answers,
    t.disagreeing_node_no
FROM public.searches AS s
JOIN public.rounds AS r ON r.id = s.round_id
JOIN public.runs AS u ON u.id = r.run_id
LEFT JOIN public.search_statistics AS t ON t.search_id = s.id;

COMMENT ON VIEW v1.searches IS 'Searches, one tree each. Only a search whose status is done carries labels. The columns from correct_rollouts on are counted when the round is curated and null before.';
COMMENT ON COLUMN v1.searches.search_id IS 'Key of the search';
COMMENT ON COLUMN v1.searches.round_id IS 'Round (rounds)';
COMMENT ON COLUMN v1.searches.run IS 'Name of the run';
COMMENT ON COLUMN v1.searches.round IS 'Number of the round in its run';
COMMENT ON COLUMN v1.searches.problem_id IS 'Problem (problems)';
COMMENT ON COLUMN v1.searches.seed IS 'Seed of its sampling';
COMMENT ON COLUMN v1.searches.tier IS 'Place among the tiers of the run''s profile: which rollouts and candidates applied';
COMMENT ON COLUMN v1.searches.status IS 'open, leased, done, or failed: given up after too many infrastructure failures';
COMMENT ON COLUMN v1.searches.solved IS 'Whether a rollout reached a correct answer; null unless done';
COMMENT ON COLUMN v1.searches.rollouts IS 'Rollouts that it ran; null unless done';
COMMENT ON COLUMN v1.searches.nodes IS 'Nodes of its tree, the root and failed steps included; null unless done';
COMMENT ON COLUMN v1.searches.generated_tokens IS 'Tokens that the policy wrote in it';
COMMENT ON COLUMN v1.searches.seconds IS 'Wall time of the search';
COMMENT ON COLUMN v1.searches.sandbox IS 'Provider and image that ran its steps';
COMMENT ON COLUMN v1.searches.policy_checkpoint_id IS 'Checkpoint that proposed its steps (checkpoints)';
COMMENT ON COLUMN v1.searches.ppm_checkpoint_id IS 'Checkpoint that gave its priors (checkpoints); null: terminal-guided';
COMMENT ON COLUMN v1.searches.failures IS 'Infrastructure failures that it met';
COMMENT ON COLUMN v1.searches.last_error IS 'The last of them';
COMMENT ON COLUMN v1.searches.created_at IS 'When it was planned';
COMMENT ON COLUMN v1.searches.finished_at IS 'When it was done';
COMMENT ON COLUMN v1.searches.correct_rollouts IS 'Rollouts that ended in a correct answer';
COMMENT ON COLUMN v1.searches.failed_steps IS 'Steps that did not run to their end';
COMMENT ON COLUMN v1.searches.duplicate_candidates IS 'Candidates whose text another candidate of the same expansion had';
COMMENT ON COLUMN v1.searches.wasted_tokens IS 'Tokens of steps through which no rollout went, failed ones included';
COMMENT ON COLUMN v1.searches.sandbox_seconds IS 'Execution time of its steps';
COMMENT ON COLUMN v1.searches.slowest_node_no IS 'Step that ran longest (steps.node_no)';
COMMENT ON COLUMN v1.searches.slowest_seconds IS 'How long it ran';
COMMENT ON COLUMN v1.searches.dead_end_node_no IS 'Deepest node at which a rollout ended without an answer (steps.node_no); null: none did';
COMMENT ON COLUMN v1.searches.dead_end_depth IS 'Depth of that node';
COMMENT ON COLUMN v1.searches.disagreeing_answers IS 'Answers of rollouts whose box does not hold what the final code printed last';
COMMENT ON COLUMN v1.searches.disagreeing_node_no IS 'The first of them (steps.node_no)';
