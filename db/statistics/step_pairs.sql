-- Pairs of steps by depth, and the prefixes that could have given some.
INSERT INTO pair_statistics (
    round_id, kind, depth, prefixes, contested_prefixes, paired_prefixes, pairs, mean_margin
)
SELECT
    :round_id,
    'step',
    p.depth,
    count(*),
    count(*) FILTER (WHERE p.contested),
    count(q.pairs),
    coalesce(sum(q.pairs), 0),
    sum(q.margins) / sum(q.pairs)
FROM (
    SELECT
        search_id,
        parent_no,
        depth,
        count(*) > 1 AND bool_or(leads_to_correct) AND bool_or(leads_to_wrong) AS contested
    FROM visited_of_round
    WHERE kind <> 'answer'
    GROUP BY search_id, parent_no, depth
) AS p
LEFT JOIN (
    SELECT search_id, parent_no, count(*) AS pairs, sum(margin) AS margins
    FROM preference_pairs
    WHERE round_id = :round_id AND kind = 'step'
    GROUP BY search_id, parent_no
) AS q ON q.search_id = p.search_id AND q.parent_no = p.parent_no
GROUP BY p.depth
