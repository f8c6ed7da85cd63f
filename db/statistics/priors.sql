-- Visited steps by prior: what the PPM foresaw, beside the mean reward of their rollouts.
INSERT INTO prior_statistics (
    round_id, depth, bin, steps, prior_sum, value_sum, squared_error_sum
)
SELECT
    :round_id,
    depth,
    least(floor((prior + 1) * :bins / 2 + 1e-9), :bins - 1)::smallint AS bin,
    count(*),
    sum(prior),
    sum(rewards / visit_count),
    sum((prior - rewards / visit_count) ^ 2)
FROM visited_of_round
WHERE prior IS NOT NULL
GROUP BY depth, bin
