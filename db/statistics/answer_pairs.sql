-- Pairs of whole solutions, and the searches that could have given some.
INSERT INTO pair_statistics (
    round_id, kind, depth, prefixes, contested_prefixes, paired_prefixes, pairs, mean_margin
)
SELECT
    :round_id,
    'answer',
    0,
    count(*),
    count(*) FILTER (WHERE t.contested),
    count(q.pairs),
    coalesce(sum(q.pairs), 0),
    sum(q.margins) / sum(q.pairs)
FROM (
    SELECT search_id, bool_or(correct) AND NOT bool_and(correct) AS contested
    FROM trajectories
    WHERE round_id = :round_id
    GROUP BY search_id
) AS t
LEFT JOIN (
    SELECT search_id, count(*) AS pairs, sum(margin) AS margins
    FROM preference_pairs
    WHERE round_id = :round_id AND kind = 'answer'
    GROUP BY search_id
) AS q ON q.search_id = t.search_id
HAVING count(*) > 0
