CREATE VIEW v1.prior_histogram AS
SELECT
    t.round_id,
    u.name AS run,
    r.number AS round,
    t.depth,
    t.bin,
    -1 + t.bin * 0.05 AS prior_from,
    t.steps,
    t.prior_sum / t.steps AS mean_prior,
    t.value_sum / t.steps AS mean_value,
    t.squared_error_sum / t.steps AS mean_squared_error
FROM public.prior_statistics AS t
JOIN public.rounds AS r ON r.id = t.round_id
JOIN public.runs AS u ON u.id = r.run_id;

COMMENT ON VIEW v1.prior_histogram IS 'Visited steps by depth and prior: what the PPM said of them, beside what their rollouts gave. Counted when the round is curated.';
COMMENT ON COLUMN v1.prior_histogram.round_id IS 'Round (rounds)';
COMMENT ON COLUMN v1.prior_histogram.run IS 'Name of the run';
COMMENT ON COLUMN v1.prior_histogram.round IS 'Number of the round in its run';
COMMENT ON COLUMN v1.prior_histogram.depth IS 'Steps from the root';
COMMENT ON COLUMN v1.prior_histogram.bin IS 'Number of the bin, 0 to 39';
COMMENT ON COLUMN v1.prior_histogram.prior_from IS 'Lower edge of the bin, which is 0.05 wide; the last one holds 1 too';
COMMENT ON COLUMN v1.prior_histogram.steps IS 'Steps whose prior is in the bin';
COMMENT ON COLUMN v1.prior_histogram.mean_prior IS 'Mean prior of the steps';
COMMENT ON COLUMN v1.prior_histogram.mean_value IS 'Mean over the steps of the mean reward of their rollouts, the prior left out';
COMMENT ON COLUMN v1.prior_histogram.mean_squared_error IS 'Mean over the steps of (prior - mean reward) squared';
