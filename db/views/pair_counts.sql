CREATE VIEW v1.pair_counts AS
SELECT
    t.round_id,
    u.name AS run,
    r.number AS round,
    t.kind,
    t.depth,
    t.prefixes,
    t.contested_prefixes,
    t.paired_prefixes,
    t.pairs,
    t.mean_margin
FROM public.pair_statistics AS t
JOIN public.rounds AS r ON r.id = t.round_id
JOIN public.runs AS u ON u.id = r.run_id;

COMMENT ON VIEW v1.pair_counts IS 'Preference pairs, and the prefixes that could have given some, by depth. Counted when the round is curated.';
COMMENT ON COLUMN v1.pair_counts.round_id IS 'Round (rounds)';
COMMENT ON COLUMN v1.pair_counts.run IS 'Name of the run';
COMMENT ON COLUMN v1.pair_counts.round IS 'Number of the round in its run';
COMMENT ON COLUMN v1.pair_counts.kind IS 'step: two steps after one prefix; answer: two whole solutions of one search';
COMMENT ON COLUMN v1.pair_counts.depth IS 'Depth of the two steps; 0 for answers';
COMMENT ON COLUMN v1.pair_counts.prefixes IS 'Prefixes after which a step of that depth was visited; for answers, searches with a graded answer';
COMMENT ON COLUMN v1.pair_counts.contested_prefixes IS 'Those with both a step that leads to a correct answer and one that leads to a wrong one';
COMMENT ON COLUMN v1.pair_counts.paired_prefixes IS 'Those that gave a pair';
COMMENT ON COLUMN v1.pair_counts.pairs IS 'Pairs';
COMMENT ON COLUMN v1.pair_counts.mean_margin IS 'Mean of chosen_q - rejected_q; null where there is no pair';
