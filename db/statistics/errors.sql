-- Steps by what they are and what became of them, each beginning of an error by itself.
CREATE TEMPORARY TABLE errors_of_round ON COMMIT DROP AS
SELECT
    n.depth,
    n.kind,
    n.outcome,
    left(split_part(n.error, ':', 1), 64) AS error,
    n.visit_count > 0 AS visited,
    count(*) AS steps,
    sum(n.proposals) AS candidates,
    sum(n.generated_tokens) AS generated_tokens,
    sum(n.wall_seconds::double precision) AS wall_seconds,
    max(n.wall_seconds) AS slowest_seconds
FROM nodes AS n
JOIN searches AS s ON s.id = n.search_id AND s.status = 'done'
WHERE n.round_id = :round_id AND s.round_id = :round_id AND n.node_no > 0
GROUP BY n.depth, n.kind, n.outcome, left(split_part(n.error, ':', 1), 64), visited
