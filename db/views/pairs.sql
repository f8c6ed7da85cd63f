CREATE VIEW v1.pairs AS
SELECT
    q.id AS pair_id,
    q.round_id,
    u.name AS run,
    r.number AS round,
    q.search_id,
    s.problem_id,
    q.kind,
    q.parent_no,
    q.chosen_no,
    q.rejected_no,
    chosen.depth,
    q.chosen_q,
    q.rejected_q,
    q.margin,
    q.chosen_visits,
    q.rejected_visits,
    chosen.text AS chosen_text,
    rejected.text AS rejected_text
FROM public.preference_pairs AS q
JOIN public.searches AS s ON s.id = q.search_id AND s.status = 'done'
JOIN public.rounds AS r ON r.id = q.round_id
JOIN public.runs AS u ON u.id = r.run_id
LEFT JOIN public.nodes AS chosen
    ON chosen.round_id = q.round_id AND chosen.search_id = q.search_id
    AND chosen.node_no = q.chosen_no
LEFT JOIN public.nodes AS rejected
    ON rejected.round_id = q.round_id AND rejected.search_id = q.search_id
    AND rejected.node_no = q.rejected_no;

COMMENT ON VIEW v1.pairs IS 'Preference pairs with both texts, of curated rounds. The depth and the texts are null where the nodes of the round are archived.';
COMMENT ON COLUMN v1.pairs.pair_id IS 'Key of the pair';
COMMENT ON COLUMN v1.pairs.round_id IS 'Round (rounds)';
COMMENT ON COLUMN v1.pairs.run IS 'Name of the run';
COMMENT ON COLUMN v1.pairs.round IS 'Number of the round in its run';
COMMENT ON COLUMN v1.pairs.search_id IS 'Search (searches)';
COMMENT ON COLUMN v1.pairs.problem_id IS 'Problem (problems)';
COMMENT ON COLUMN v1.pairs.kind IS 'step: two steps after one prefix; answer: two whole solutions';
COMMENT ON COLUMN v1.pairs.parent_no IS 'Step that both follow (steps.node_no); null for answers';
COMMENT ON COLUMN v1.pairs.chosen_no IS 'The preferred step, or the answer of the preferred solution (steps.node_no)';
COMMENT ON COLUMN v1.pairs.rejected_no IS 'The other one (steps.node_no)';
COMMENT ON COLUMN v1.pairs.depth IS 'Depth of the preferred step';
COMMENT ON COLUMN v1.pairs.chosen_q IS 'Q of the preferred step';
COMMENT ON COLUMN v1.pairs.rejected_q IS 'Q of the other one';
COMMENT ON COLUMN v1.pairs.margin IS 'chosen_q - rejected_q, above 0';
COMMENT ON COLUMN v1.pairs.chosen_visits IS 'Rollouts through the preferred step: how sure its Q is';
COMMENT ON COLUMN v1.pairs.rejected_visits IS 'Rollouts through the other one';
COMMENT ON COLUMN v1.pairs.chosen_text IS 'Text of the preferred step';
COMMENT ON COLUMN v1.pairs.rejected_text IS 'Text of the other one';
