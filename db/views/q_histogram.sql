CREATE VIEW v1.q_histogram AS
SELECT
    t.round_id,
    u.name AS run,
    r.number AS round,
    t.depth,
    t.bin,
    -1 + t.bin * 0.05 AS q_from,
    t.steps,
    t.correct_rollouts,
    t.wrong_rollouts
FROM public.q_statistics AS t
JOIN public.rounds AS r ON r.id = t.round_id
JOIN public.runs AS u ON u.id = r.run_id;

COMMENT ON VIEW v1.q_histogram IS 'Visited steps by depth and Q, with how their rollouts ended. Counted when the round is curated.';
COMMENT ON COLUMN v1.q_histogram.round_id IS 'Round (rounds)';
COMMENT ON COLUMN v1.q_histogram.run IS 'Name of the run';
COMMENT ON COLUMN v1.q_histogram.round IS 'Number of the round in its run';
COMMENT ON COLUMN v1.q_histogram.depth IS 'Steps from the root';
COMMENT ON COLUMN v1.q_histogram.bin IS 'Number of the bin, 0 to 39';
COMMENT ON COLUMN v1.q_histogram.q_from IS 'Lower edge of the bin, which is 0.05 wide; the last one holds 1 too';
COMMENT ON COLUMN v1.q_histogram.steps IS 'Steps whose Q is in the bin';
COMMENT ON COLUMN v1.q_histogram.correct_rollouts IS 'Rollouts through them that ended correct; an undecided one counts half';
COMMENT ON COLUMN v1.q_histogram.wrong_rollouts IS 'Rollouts through them that ended wrong; an undecided one counts half';
