-- Totals of the round.
INSERT INTO round_statistics (
    round_id, refreshed_at, searches, problems, solved_problems, nodes, rollouts, generated_tokens,
    wasted_tokens, search_seconds, sandbox_seconds, trajectories, correct_trajectories, pairs
)
SELECT
    :round_id,
    now(),
    count(*),
    count(DISTINCT s.problem_id),
    count(DISTINCT s.problem_id) FILTER (WHERE s.solved),
    coalesce(sum(s.node_count), 0),
    coalesce(sum(s.rollouts), 0),
    coalesce(sum(s.generated_tokens), 0),
    coalesce(sum(t.wasted_tokens), 0),
    coalesce(sum(s.seconds), 0),
    coalesce(sum(t.sandbox_seconds), 0),
    (SELECT count(*) FROM trajectories WHERE round_id = :round_id),
    (SELECT count(*) FROM trajectories WHERE round_id = :round_id AND correct),
    (SELECT count(*) FROM preference_pairs WHERE round_id = :round_id)
FROM searches AS s
LEFT JOIN search_statistics AS t ON t.search_id = s.id
WHERE s.round_id = :round_id AND s.status = 'done'
