-- question: Where do rollouts end deepest without an answer, and why?
-- time: interactive
-- parameter: run text; name of the run; the newest run
-- parameter: round integer; round of the run; the last round
-- parameter: limit integer; rows; 20
WITH deepest AS (
    SELECT round_id, search_id, problem_id, dead_end_node_no, dead_end_depth
    FROM v1.searches
    WHERE round_id = (
        SELECT round_id FROM v1.rounds
        WHERE run = coalesce(%(run)s, (SELECT run FROM v1.rounds ORDER BY round_id DESC LIMIT 1))
          AND statistics_at IS NOT NULL
          AND (%(round)s::integer IS NULL OR round = %(round)s)
        ORDER BY round DESC LIMIT 1
    )
      AND dead_end_depth IS NOT NULL
    ORDER BY dead_end_depth DESC, search_id
    LIMIT coalesce(%(limit)s::integer, 20)
)
SELECT d.search_id, d.problem_id, d.dead_end_depth AS depth, n.node_no, n.terminal_reason,
       n.visit_count, n.text
FROM deepest AS d
JOIN v1.steps AS n ON n.round_id = d.round_id AND n.search_id = d.search_id
                  AND n.node_no = d.dead_end_node_no
ORDER BY depth DESC, d.search_id
