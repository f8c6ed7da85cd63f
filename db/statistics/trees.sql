-- What each tree of the round holds. Postgres reads a table in parallel for a new table, and not for
-- rows of one that is there.
CREATE TEMPORARY TABLE trees_of_round ON COMMIT DROP AS
SELECT
    n.search_id,
    coalesce(sum(n.visit_count) FILTER (WHERE n.verdict = 'equal'), 0) AS correct,
    count(*) FILTER (WHERE n.outcome <> 'ok') AS failed,
    coalesce(sum(n.proposals - 1) FILTER (WHERE n.node_no > 0), 0) AS duplicates,
    coalesce(sum(n.generated_tokens) FILTER (WHERE n.visit_count = 0), 0) AS wasted,
    sum(n.wall_seconds) AS seconds,
    max(n.wall_seconds) FILTER (WHERE n.wall_seconds > 0) AS slowest_seconds,
    -- The first node of the largest value: microseconds above, the node in the low 24 bits.
    max((n.wall_seconds * 1e6)::bigint * 16777216 - n.node_no)
        FILTER (WHERE n.wall_seconds > 0) AS slowest,
    -- The same where it is rare enough for arrays, which compare element by element.
    max(ARRAY[n.depth, -n.node_no]) FILTER (WHERE n.terminal_reason <> 'answer') AS dead_end
FROM nodes AS n
JOIN searches AS s ON s.id = n.search_id AND s.status = 'done'
WHERE n.round_id = :round_id AND s.round_id = :round_id
GROUP BY n.search_id
