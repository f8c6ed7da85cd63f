-- Visited steps by Q. Of a node's rollouts c were correct and w wrong: the rewards add up to c - w,
-- and value_sum holds the prior beside them.
INSERT INTO q_statistics (round_id, depth, bin, steps, correct_rollouts, wrong_rollouts)
SELECT
    :round_id,
    v.depth,
    least(floor((v.q_value + 1) * :bins / 2 + 1e-9), :bins - 1)::smallint AS bin,
    count(*),
    sum((v.visit_count + v.rewards) / 2),
    sum((v.visit_count - v.rewards) / 2)
FROM (
    SELECT n.depth, n.q_value, n.visit_count, n.value_sum - coalesce(n.prior, 0) AS rewards
    FROM nodes AS n
    JOIN searches AS s ON s.id = n.search_id AND s.status = 'done'
    WHERE n.round_id = :round_id AND s.round_id = :round_id
      AND n.node_no > 0 AND n.visit_count > 0
) AS v
GROUP BY v.depth, bin
