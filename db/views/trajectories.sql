CREATE VIEW v1.trajectories AS
SELECT
    t.id AS trajectory_id,
    t.round_id,
    u.name AS run,
    r.number AS round,
    t.search_id,
    s.problem_id,
    t.correct,
    t.mean_q,
    t.steps,
    t.rank,
    t.leaf_no,
    t.node_path
FROM public.trajectories AS t
JOIN public.searches AS s ON s.id = t.search_id AND s.status = 'done'
JOIN public.rounds AS r ON r.id = t.round_id
JOIN public.runs AS u ON u.id = r.run_id;

COMMENT ON VIEW v1.trajectories IS 'Paths from a question to a graded answer, one a row, of curated rounds.';
COMMENT ON COLUMN v1.trajectories.trajectory_id IS 'Key of the trajectory';
COMMENT ON COLUMN v1.trajectories.round_id IS 'Round (rounds)';
COMMENT ON COLUMN v1.trajectories.run IS 'Name of the run';
COMMENT ON COLUMN v1.trajectories.round IS 'Number of the round in its run';
COMMENT ON COLUMN v1.trajectories.search_id IS 'Search (searches)';
COMMENT ON COLUMN v1.trajectories.problem_id IS 'Problem (problems)';
COMMENT ON COLUMN v1.trajectories.correct IS 'Whether the answer equals the ground truth';
COMMENT ON COLUMN v1.trajectories.mean_q IS 'Mean Q of its steps, the root left out';
COMMENT ON COLUMN v1.trajectories.steps IS 'Steps, the answer included';
COMMENT ON COLUMN v1.trajectories.rank IS '1 is the problem''s best of the round among the equally correct';
COMMENT ON COLUMN v1.trajectories.leaf_no IS 'Its answer (steps.node_no)';
COMMENT ON COLUMN v1.trajectories.node_path IS 'Its nodes from the root to the answer (steps.node_no)';
