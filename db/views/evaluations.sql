CREATE VIEW v1.evaluations AS
SELECT
    e.id AS evaluation_id,
    e.checkpoint_id,
    u.name AS run,
    c.round_number AS round,
    c.kind,
    e.benchmark,
    e.metric,
    e.correct,
    e.total,
    e.correct::double precision / e.total AS accuracy,
    e.created_at
FROM public.evaluations AS e
JOIN public.checkpoints AS c ON c.id = e.checkpoint_id
JOIN public.runs AS u ON u.id = c.run_id;

COMMENT ON VIEW v1.evaluations IS 'What was measured of a checkpoint.';
COMMENT ON COLUMN v1.evaluations.evaluation_id IS 'Key of the evaluation';
COMMENT ON COLUMN v1.evaluations.checkpoint_id IS 'Checkpoint (checkpoints)';
COMMENT ON COLUMN v1.evaluations.run IS 'Name of the run';
COMMENT ON COLUMN v1.evaluations.round IS 'Round that trained the checkpoint; 0 is the bootstrap';
COMMENT ON COLUMN v1.evaluations.kind IS 'Which model was evaluated: policy or ppm';
COMMENT ON COLUMN v1.evaluations.benchmark IS 'held_out, or a named benchmark';
COMMENT ON COLUMN v1.evaluations.metric IS 'What was counted, such as pass@1 (greedy)';
COMMENT ON COLUMN v1.evaluations.correct IS 'Problems answered correctly';
COMMENT ON COLUMN v1.evaluations.total IS 'Problems asked';
COMMENT ON COLUMN v1.evaluations.accuracy IS 'correct / total, 0 to 1';
COMMENT ON COLUMN v1.evaluations.created_at IS 'When it was measured';
