CREATE VIEW v1.source_rounds AS
SELECT
    t.round_id,
    u.name AS run,
    r.number AS round,
    t.source,
    t.problems,
    t.solved_problems,
    t.rollouts,
    t.correct_rollouts,
    t.correct_rollouts::double precision / nullif(t.rollouts, 0) AS solve_rate,
    t.generated_tokens
FROM public.source_statistics AS t
JOIN public.rounds AS r ON r.id = t.round_id
JOIN public.runs AS u ON u.id = r.run_id;

COMMENT ON VIEW v1.source_rounds IS 'How the problems of a source fared in a round, over its finished searches. Counted when the round is curated.';
COMMENT ON COLUMN v1.source_rounds.round_id IS 'Round (rounds)';
COMMENT ON COLUMN v1.source_rounds.run IS 'Name of the run';
COMMENT ON COLUMN v1.source_rounds.round IS 'Number of the round in its run';
COMMENT ON COLUMN v1.source_rounds.source IS 'Where the problems were imported from';
COMMENT ON COLUMN v1.source_rounds.problems IS 'Problems of the source that were searched';
COMMENT ON COLUMN v1.source_rounds.solved_problems IS 'Those that a rollout solved';
COMMENT ON COLUMN v1.source_rounds.rollouts IS 'Rollouts of those searches';
COMMENT ON COLUMN v1.source_rounds.correct_rollouts IS 'Rollouts that ended in a correct answer';
COMMENT ON COLUMN v1.source_rounds.solve_rate IS 'correct_rollouts / rollouts, 0 to 1';
COMMENT ON COLUMN v1.source_rounds.generated_tokens IS 'Tokens that the policy wrote in those searches';
