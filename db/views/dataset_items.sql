CREATE VIEW v1.dataset_items AS
SELECT
    i.dataset_id,
    i.position,
    u.name AS run,
    d.round_number AS round,
    d.kind,
    i.problem_id,
    i.prompt,
    i.chosen,
    i.rejected,
    i.group_key,
    i.trajectory_id,
    i.pair_id,
    coalesce(t.round_id, q.round_id) AS source_round_id,
    coalesce(t.search_id, q.search_id) AS search_id,
    coalesce(t.leaf_no, q.chosen_no) AS chosen_no,
    q.rejected_no,
    d.name,
    i.depth,
    i.correct,
    i.q_value,
    i.margin,
    i.weight,
    i.solve_rate
FROM public.dataset_items AS i
JOIN public.datasets AS d ON d.id = i.dataset_id
JOIN public.runs AS u ON u.id = d.run_id
LEFT JOIN public.trajectories AS t ON t.id = i.trajectory_id
LEFT JOIN public.preference_pairs AS q ON q.id = i.pair_id;

COMMENT ON VIEW v1.dataset_items IS 'Training examples, each traced to the rows that it was made from. An item of the bootstrap set comes from a reference solution and has no search.';
COMMENT ON COLUMN v1.dataset_items.dataset_id IS 'Dataset version (datasets)';
COMMENT ON COLUMN v1.dataset_items.position IS 'Place of the item in the version, from 0';
COMMENT ON COLUMN v1.dataset_items.run IS 'Name of the run';
COMMENT ON COLUMN v1.dataset_items.round IS 'Round of the version, 0 the bootstrap; null for a named version';
COMMENT ON COLUMN v1.dataset_items.kind IS 'sft, preference or stepwise';
COMMENT ON COLUMN v1.dataset_items.problem_id IS 'Problem (problems)';
COMMENT ON COLUMN v1.dataset_items.prompt IS 'What the model reads';
COMMENT ON COLUMN v1.dataset_items.chosen IS 'The completion, or the preferred one';
COMMENT ON COLUMN v1.dataset_items.rejected IS 'The other completion; null where the version is not one of pairs';
COMMENT ON COLUMN v1.dataset_items.group_key IS 'Pairs of one step share it';
COMMENT ON COLUMN v1.dataset_items.trajectory_id IS 'Trajectory that it was made from (trajectories)';
COMMENT ON COLUMN v1.dataset_items.pair_id IS 'Pair that it was made from (pairs)';
COMMENT ON COLUMN v1.dataset_items.source_round_id IS 'Round of that trajectory or pair (rounds); an earlier one where trajectories are pooled';
COMMENT ON COLUMN v1.dataset_items.search_id IS 'Search that found it (searches)';
COMMENT ON COLUMN v1.dataset_items.chosen_no IS 'Last step of the completion (steps.node_no)';
COMMENT ON COLUMN v1.dataset_items.rejected_no IS 'Last step of the other completion (steps.node_no)';
COMMENT ON COLUMN v1.dataset_items.name IS 'Name of the version; null where the curate stage made it';
COMMENT ON COLUMN v1.dataset_items.depth IS 'Steps of the solution; of a pair, the depth of its steps';
COMMENT ON COLUMN v1.dataset_items.correct IS 'Whether the answer of the solution is right; null for a pair';
COMMENT ON COLUMN v1.dataset_items.q_value IS 'Mean Q of the steps of the solution; of a pair, Q of the preferred step';
COMMENT ON COLUMN v1.dataset_items.margin IS 'Of a pair: Q of the preferred step less Q of the other';
COMMENT ON COLUMN v1.dataset_items.weight IS 'How much a trainer may count it, above 0 to 1';
COMMENT ON COLUMN v1.dataset_items.solve_rate IS 'Share of the rollouts of its problem that were correct when the version was made';
