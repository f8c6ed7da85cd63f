-- Visited steps by Q, with how their rollouts ended.
INSERT INTO q_statistics (round_id, depth, bin, steps, correct_rollouts, wrong_rollouts)
SELECT
    :round_id,
    depth,
    least(floor((q_value + 1) * :bins / 2 + 1e-9), :bins - 1)::smallint AS bin,
    count(*),
    sum((visit_count + rewards) / 2),
    sum((visit_count - rewards) / 2)
FROM visited_of_round
GROUP BY depth, bin
