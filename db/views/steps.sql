CREATE VIEW v1.steps AS
SELECT
    n.round_id,
    u.name AS run,
    r.number AS round,
    n.search_id,
    n.node_no,
    n.parent_no,
    s.problem_id,
    r.policy_checkpoint_id,
    r.ppm_checkpoint_id,
    n.depth,
    n.kind,
    n.outcome,
    n.terminal_reason,
    n.verdict,
    n.leads_to_correct,
    n.leads_to_wrong,
    n.visit_count,
    n.value_sum,
    n.q_value,
    n.prior,
    n.reward,
    n.generated_tokens,
    n.proposals,
    n.wall_seconds,
    n.text,
    n.observation,
    n.error
FROM public.nodes AS n
JOIN public.searches AS s ON s.id = n.search_id AND s.round_id = n.round_id AND s.status = 'done'
JOIN public.rounds AS r ON r.id = n.round_id
JOIN public.runs AS u ON u.id = r.run_id;

COMMENT ON VIEW v1.steps IS 'Steps of finished searches, one a row, with their labels; node 0 of a search is the root, which is the question. Name a round_id and a search_id wherever you can: they are the key.';
COMMENT ON COLUMN v1.steps.round_id IS 'Round (rounds)';
COMMENT ON COLUMN v1.steps.run IS 'Name of the run';
COMMENT ON COLUMN v1.steps.round IS 'Number of the round in its run';
COMMENT ON COLUMN v1.steps.search_id IS 'Search (searches)';
COMMENT ON COLUMN v1.steps.node_no IS 'Number of the step in its search; parents come before children';
COMMENT ON COLUMN v1.steps.parent_no IS 'Step that it follows; null for the root';
COMMENT ON COLUMN v1.steps.problem_id IS 'Problem (problems)';
COMMENT ON COLUMN v1.steps.policy_checkpoint_id IS 'Checkpoint that wrote it (checkpoints)';
COMMENT ON COLUMN v1.steps.ppm_checkpoint_id IS 'Checkpoint that gave the prior (checkpoints); null: terminal-guided';
COMMENT ON COLUMN v1.steps.depth IS 'Steps from the root, which has depth 0';
COMMENT ON COLUMN v1.steps.kind IS 'root; code, final_code; thought, subquestion, reanswer, rephrased: steps in words; answer; unparsable';
COMMENT ON COLUMN v1.steps.outcome IS 'What became of it: ok, raised, timed_out, out_of_memory, unparsable';
COMMENT ON COLUMN v1.steps.terminal_reason IS 'Why rollouts ended here: answer, execution_errors, max_depth, unparsable_step, prompt_too_long; null: they went on';
COMMENT ON COLUMN v1.steps.verdict IS 'Of an answer: equal to the ground truth, different, undecided';
COMMENT ON COLUMN v1.steps.leads_to_correct IS 'Some rollout through it was correct';
COMMENT ON COLUMN v1.steps.leads_to_wrong IS 'Some rollout through it was wrong';
COMMENT ON COLUMN v1.steps.visit_count IS 'Rollouts through it; 0 for a failed step';
COMMENT ON COLUMN v1.steps.value_sum IS 'Sum of the rewards of those rollouts, and of the prior where there is one';
COMMENT ON COLUMN v1.steps.q_value IS 'Q = value_sum / visit_count in [-1, 1]; a prior counts as one visit';
COMMENT ON COLUMN v1.steps.prior IS 'What the PPM said of it when it was made, in [-1, 1]';
COMMENT ON COLUMN v1.steps.reward IS 'Reward of a rollout that ends here: +1, -1, or 0 for undecided';
COMMENT ON COLUMN v1.steps.generated_tokens IS 'Tokens of its text';
COMMENT ON COLUMN v1.steps.proposals IS 'How many candidates of the expansion had this very text';
COMMENT ON COLUMN v1.steps.wall_seconds IS 'Execution time';
COMMENT ON COLUMN v1.steps.text IS 'The step, as the policy wrote it';
COMMENT ON COLUMN v1.steps.observation IS 'What the policy saw of its execution';
COMMENT ON COLUMN v1.steps.error IS 'Exception type and message of a step that failed';
