CREATE VIEW v1.mutual_trajectories AS
SELECT
    c.round_id,
    u.name AS run,
    r.number AS round,
    c.search_id,
    s.problem_id,
    c.leaf_no,
    c.steps,
    c.mean_q,
    c.confidence,
    k.checks,
    k.agreeing,
    k.agreeing::float8 / k.checks AS agreement,
    k.agreeing = k.checks AS mutual,
    (c.mean_q + 1) / 2 * c.confidence AS score
FROM public.consistency_candidates AS c
JOIN public.searches AS s ON s.id = c.search_id
JOIN public.rounds AS r ON r.id = c.round_id
JOIN public.runs AS u ON u.id = r.run_id
JOIN LATERAL (
    SELECT count(*)::int AS checks, (count(*) FILTER (WHERE agrees))::int AS agreeing
    FROM public.consistency_checks
    WHERE search_id = c.search_id AND leaf_no = c.leaf_no
) AS k ON k.checks > 0
WHERE c.status = 'done';

COMMENT ON VIEW v1.mutual_trajectories IS 'Trajectories of problems without a ground truth, judged by a discriminator''s completions.';
COMMENT ON COLUMN v1.mutual_trajectories.round_id IS 'Round (rounds)';
COMMENT ON COLUMN v1.mutual_trajectories.run IS 'Name of the run';
COMMENT ON COLUMN v1.mutual_trajectories.round IS 'Number of the round in its run';
COMMENT ON COLUMN v1.mutual_trajectories.search_id IS 'Search (searches)';
COMMENT ON COLUMN v1.mutual_trajectories.problem_id IS 'Problem (problems)';
COMMENT ON COLUMN v1.mutual_trajectories.leaf_no IS 'Its answer (steps.node_no)';
COMMENT ON COLUMN v1.mutual_trajectories.steps IS 'Steps, the answer included';
COMMENT ON COLUMN v1.mutual_trajectories.mean_q IS 'Mean Q of its steps, the root left out';
COMMENT ON COLUMN v1.mutual_trajectories.confidence IS 'Share of the search''s answers that are equal to its own, each weighed by how often its steps were proposed';
COMMENT ON COLUMN v1.mutual_trajectories.checks IS 'Completions of its prefixes by the discriminator';
COMMENT ON COLUMN v1.mutual_trajectories.agreeing IS 'Completions of them that came to its answer';
COMMENT ON COLUMN v1.mutual_trajectories.agreement IS 'Share of the completions that came to its answer';
COMMENT ON COLUMN v1.mutual_trajectories.mutual IS 'Whether every completion came to its answer: it is mutually consistent';
COMMENT ON COLUMN v1.mutual_trajectories.score IS 'Reward x confidence, the reward being mean_q from [-1, 1] on [0, 1]: the highest is the problem''s answer';
