-- Steps by what they are and what became of them. Only what looks like the name of an exception is
-- kept of an error: the rest is a model's text.
INSERT INTO step_statistics (
    round_id, depth, kind, outcome, error_type, visited, steps, candidates, generated_tokens,
    wall_seconds, slowest_seconds
)
SELECT
    :round_id,
    n.depth,
    n.kind,
    n.outcome,
    CASE
        WHEN n.error IS NULL THEN ''
        ELSE coalesce(substring(n.error FROM '^[A-Za-z_][A-Za-z0-9_.]{0,63}'), 'other')
    END AS error_type,
    n.visit_count > 0 AS visited,
    count(*),
    sum(n.proposals),
    sum(n.generated_tokens),
    sum(n.wall_seconds),
    max(n.wall_seconds)
FROM nodes AS n
JOIN searches AS s ON s.id = n.search_id AND s.status = 'done'
WHERE n.round_id = :round_id AND s.round_id = :round_id AND n.node_no > 0
GROUP BY n.depth, n.kind, n.outcome, error_type, visited
