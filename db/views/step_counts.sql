CREATE VIEW v1.step_counts AS
SELECT
    t.round_id,
    u.name AS run,
    r.number AS round,
    t.depth,
    t.kind,
    t.outcome,
    t.error_type,
    t.visited,
    t.steps,
    t.candidates,
    t.generated_tokens,
    t.wall_seconds,
    t.slowest_seconds
FROM public.step_statistics AS t
JOIN public.rounds AS r ON r.id = t.round_id
JOIN public.runs AS u ON u.id = r.run_id;

COMMENT ON VIEW v1.step_counts IS 'Steps of finished searches, roots left out, counted by depth, kind, outcome and error. Counted when the round is curated.';
COMMENT ON COLUMN v1.step_counts.round_id IS 'Round (rounds)';
COMMENT ON COLUMN v1.step_counts.run IS 'Name of the run';
COMMENT ON COLUMN v1.step_counts.round IS 'Number of the round in its run';
COMMENT ON COLUMN v1.step_counts.depth IS 'Steps from the root';
COMMENT ON COLUMN v1.step_counts.kind IS 'As steps.kind';
COMMENT ON COLUMN v1.step_counts.outcome IS 'ok, raised, timed_out, out_of_memory, unparsable';
COMMENT ON COLUMN v1.step_counts.error_type IS 'Type of the exception; empty where there was none';
COMMENT ON COLUMN v1.step_counts.visited IS 'Whether a rollout went through the steps';
COMMENT ON COLUMN v1.step_counts.steps IS 'How many steps';
COMMENT ON COLUMN v1.step_counts.candidates IS 'How many candidates became these steps: equal texts of one expansion are one step';
COMMENT ON COLUMN v1.step_counts.generated_tokens IS 'Tokens of the steps';
COMMENT ON COLUMN v1.step_counts.wall_seconds IS 'Execution time of the steps, added up';
COMMENT ON COLUMN v1.step_counts.slowest_seconds IS 'Execution time of the slowest of them';
