CREATE VIEW v1.evaluation_answers AS
SELECT
    a.evaluation_id,
    e.checkpoint_id,
    u.name AS run,
    c.round_number AS round,
    e.benchmark,
    a.problem_id,
    a.verdict,
    a.completion
FROM public.evaluation_answers AS a
JOIN public.evaluations AS e ON e.id = a.evaluation_id
JOIN public.checkpoints AS c ON c.id = e.checkpoint_id
JOIN public.runs AS u ON u.id = c.run_id;

COMMENT ON VIEW v1.evaluation_answers IS 'What a checkpoint answered to each problem of an evaluation.';
COMMENT ON COLUMN v1.evaluation_answers.evaluation_id IS 'Evaluation (evaluations)';
COMMENT ON COLUMN v1.evaluation_answers.checkpoint_id IS 'Checkpoint (checkpoints)';
COMMENT ON COLUMN v1.evaluation_answers.run IS 'Name of the run';
COMMENT ON COLUMN v1.evaluation_answers.round IS 'Round that trained the checkpoint; 0 is the bootstrap';
COMMENT ON COLUMN v1.evaluation_answers.benchmark IS 'held_out, or a named benchmark';
COMMENT ON COLUMN v1.evaluation_answers.problem_id IS 'Problem (problems)';
COMMENT ON COLUMN v1.evaluation_answers.verdict IS 'equal to the ground truth, different, undecided; null where no answer was given';
COMMENT ON COLUMN v1.evaluation_answers.completion IS 'What the model wrote';
