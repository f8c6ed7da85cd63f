CREATE VIEW v1.problem_rounds AS
SELECT
    t.round_id,
    u.name AS run,
    r.number AS round,
    t.problem_id,
    p.source,
    t.searches,
    t.solved_searches,
    t.solved_searches > 0 AS solved,
    t.rollouts,
    t.correct_rollouts,
    t.correct_rollouts::double precision / nullif(t.rollouts, 0) AS solve_rate,
    1 - t.correct_rollouts::double precision / nullif(t.rollouts, 0) AS difficulty,
    t.generated_tokens,
    p.answer,
    t.top_wrong_answer,
    t.top_wrong_rollouts
FROM public.problem_statistics AS t
JOIN public.problems AS p ON p.id = t.problem_id
JOIN public.rounds AS r ON r.id = t.round_id
JOIN public.runs AS u ON u.id = r.run_id;

COMMENT ON VIEW v1.problem_rounds IS 'How a problem fared in a round, over its finished searches. Counted when the round is curated.';
COMMENT ON COLUMN v1.problem_rounds.round_id IS 'Round (rounds)';
COMMENT ON COLUMN v1.problem_rounds.run IS 'Name of the run';
COMMENT ON COLUMN v1.problem_rounds.round IS 'Number of the round in its run';
COMMENT ON COLUMN v1.problem_rounds.problem_id IS 'Problem (problems)';
COMMENT ON COLUMN v1.problem_rounds.source IS 'Where the problem was imported from';
COMMENT ON COLUMN v1.problem_rounds.searches IS 'Finished searches of the problem in the round';
COMMENT ON COLUMN v1.problem_rounds.solved_searches IS 'Those that found a correct answer';
COMMENT ON COLUMN v1.problem_rounds.solved IS 'Whether any of them did';
COMMENT ON COLUMN v1.problem_rounds.rollouts IS 'Rollouts of those searches';
COMMENT ON COLUMN v1.problem_rounds.correct_rollouts IS 'Rollouts that ended in a correct answer';
COMMENT ON COLUMN v1.problem_rounds.solve_rate IS 'correct_rollouts / rollouts, 0 to 1';
COMMENT ON COLUMN v1.problem_rounds.difficulty IS '1 - solve_rate: 0 is always solved, 1 never';
COMMENT ON COLUMN v1.problem_rounds.generated_tokens IS 'Tokens that the policy wrote in those searches';
COMMENT ON COLUMN v1.problem_rounds.answer IS 'Ground truth';
COMMENT ON COLUMN v1.problem_rounds.top_wrong_answer IS 'What was in the box of the wrong answers most often; null where none was wrong';
COMMENT ON COLUMN v1.problem_rounds.top_wrong_rollouts IS 'Rollouts that ended in exactly that answer; 0 where none was wrong';
