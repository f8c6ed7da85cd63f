-- The nodes of the round that rollouts went through, without their texts: a quarter of all nodes,
-- read three times below.
CREATE TEMPORARY TABLE visited_of_round ON COMMIT DROP AS
SELECT
    n.search_id,
    n.node_no,
    n.parent_no,
    n.depth,
    n.kind,
    n.visit_count,
    n.q_value,
    n.prior::double precision AS prior,
    -- Of a node's rollouts c were correct and w wrong: the rewards add up to c - w.
    n.value_sum - coalesce(n.prior, 0) AS rewards,
    n.leads_to_correct,
    n.leads_to_wrong
FROM nodes AS n
JOIN searches AS s ON s.id = n.search_id AND s.status = 'done'
WHERE n.round_id = :round_id AND s.round_id = :round_id
  AND n.node_no > 0 AND n.visit_count > 0
