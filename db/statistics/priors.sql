-- Visited steps by prior: what the PPM foresaw, beside the mean reward of their rollouts.
INSERT INTO prior_statistics (
    round_id, depth, bin, steps, prior_sum, value_sum, squared_error_sum
)
SELECT
    :round_id,
    v.depth,
    least(floor((v.prior + 1) * :bins / 2 + 1e-9), :bins - 1)::smallint AS bin,
    count(*),
    sum(v.prior),
    sum(v.value),
    sum((v.prior - v.value) ^ 2)
FROM (
    SELECT
        n.depth,
        n.prior::double precision AS prior,
        (n.value_sum - n.prior) / n.visit_count AS value
    FROM nodes AS n
    JOIN searches AS s ON s.id = n.search_id AND s.status = 'done'
    WHERE n.round_id = :round_id AND s.round_id = :round_id
      AND n.node_no > 0 AND n.visit_count > 0 AND n.prior IS NOT NULL
) AS v
GROUP BY v.depth, bin
