CREATE VIEW v1.costs AS
SELECT
    r.id AS round_id,
    u.name AS run,
    spent.round_number AS round,
    spent.stage_seconds,
    spent.search_stage_seconds,
    spent.training_seconds,
    spent.gpu_hours,
    t.searches,
    t.problems,
    t.solved_problems,
    t.nodes,
    t.rollouts,
    t.generated_tokens,
    t.wasted_tokens,
    t.search_seconds,
    t.sandbox_seconds,
    t.trajectories,
    t.correct_trajectories,
    t.pairs
FROM (
    SELECT
        s.run_id,
        s.round_number,
        sum(s.seconds) AS stage_seconds,
        sum(s.seconds) FILTER (WHERE s.name = 'search') AS search_stage_seconds,
        sum(s.seconds) FILTER (WHERE s.name IN ('train policy', 'train PPM')) AS training_seconds,
        sum(s.seconds * s.gpus) / 3600 AS gpu_hours
    FROM public.stages AS s
    GROUP BY s.run_id, s.round_number
) AS spent
JOIN public.runs AS u ON u.id = spent.run_id
LEFT JOIN public.rounds AS r ON r.run_id = spent.run_id AND r.number = spent.round_number
LEFT JOIN public.round_statistics AS t ON t.round_id = r.id;

COMMENT ON VIEW v1.costs IS 'What each round cost and made; round 0 is the bootstrap. The columns from searches on are counted when the round is curated and null before.';
COMMENT ON COLUMN v1.costs.round_id IS 'Round (rounds); null for the bootstrap';
COMMENT ON COLUMN v1.costs.run IS 'Name of the run';
COMMENT ON COLUMN v1.costs.round IS 'Number of the round in its run; 0 is the bootstrap';
COMMENT ON COLUMN v1.costs.stage_seconds IS 'Wall time of its stages, over all attempts';
COMMENT ON COLUMN v1.costs.search_stage_seconds IS 'Of it, the search';
COMMENT ON COLUMN v1.costs.training_seconds IS 'Of it, training the policy and the PPM';
COMMENT ON COLUMN v1.costs.gpu_hours IS 'Wall hours of its stages times the GPUs that they held (STEPFORGE_GPUS); null: not known';
COMMENT ON COLUMN v1.costs.searches IS 'Finished searches';
COMMENT ON COLUMN v1.costs.problems IS 'Problems that they searched';
COMMENT ON COLUMN v1.costs.solved_problems IS 'Problems of them for which a rollout reached a correct answer';
COMMENT ON COLUMN v1.costs.nodes IS 'Nodes of their trees';
COMMENT ON COLUMN v1.costs.rollouts IS 'Rollouts that they ran';
COMMENT ON COLUMN v1.costs.generated_tokens IS 'Tokens that the policy wrote in them';
COMMENT ON COLUMN v1.costs.wasted_tokens IS 'Tokens of steps through which no rollout went, failed ones included';
COMMENT ON COLUMN v1.costs.search_seconds IS 'Wall time of the searches, added up; many run at once';
COMMENT ON COLUMN v1.costs.sandbox_seconds IS 'Execution time of their steps, added up';
COMMENT ON COLUMN v1.costs.trajectories IS 'Graded trajectories';
COMMENT ON COLUMN v1.costs.correct_trajectories IS 'Correct ones of them';
COMMENT ON COLUMN v1.costs.pairs IS 'Preference pairs';
