-- question: Which steps keep the sandbox busy longest?
-- time: interactive
-- parameter: run text; name of the run; the newest run
-- parameter: round integer; round of the run; the last round
-- parameter: limit integer; rows; 20
WITH slowest AS (
    SELECT round_id, search_id, problem_id, sandbox_seconds, slowest_node_no, slowest_seconds
    FROM v1.searches
    WHERE round_id = (
        SELECT round_id FROM v1.rounds
        WHERE run = coalesce(%(run)s, (SELECT run FROM v1.rounds ORDER BY round_id DESC LIMIT 1))
          AND statistics_at IS NOT NULL
          AND (%(round)s::integer IS NULL OR round = %(round)s)
        ORDER BY round DESC LIMIT 1
    )
      AND slowest_seconds IS NOT NULL
    ORDER BY slowest_seconds DESC, search_id
    LIMIT coalesce(%(limit)s::integer, 20)
)
SELECT h.search_id, h.problem_id, n.node_no, h.slowest_seconds AS seconds,
       round((h.slowest_seconds / nullif(h.sandbox_seconds, 0))::numeric, 4) AS share_of_search,
       n.outcome, n.error, n.text
FROM slowest AS h
JOIN v1.steps AS n ON n.round_id = h.round_id AND n.search_id = h.search_id
                  AND n.node_no = h.slowest_node_no
ORDER BY seconds DESC, h.search_id
