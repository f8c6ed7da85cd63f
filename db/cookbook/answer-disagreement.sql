-- question: Which answers do not say what their program printed?
-- time: interactive
-- parameter: run text; name of the run; the newest run
-- parameter: round integer; round of the run; the last round
-- parameter: limit integer; rows; 20
-- Two numbers that differ: one in the box of the answer, one in the last line that the final code
-- printed. The first such answer of each search, the searches with most of them first.
WITH found AS (
    SELECT s.round_id, s.search_id, s.problem_id, s.disagreeing_answers, s.disagreeing_node_no
    FROM v1.searches AS s
    WHERE s.round_id = (
        SELECT round_id FROM v1.rounds
        WHERE run = coalesce(%(run)s, (SELECT run FROM v1.rounds ORDER BY round_id DESC LIMIT 1))
          AND statistics_at IS NOT NULL
          AND (%(round)s::integer IS NULL OR round = %(round)s)
        ORDER BY round DESC LIMIT 1
    )
      AND s.disagreeing_answers > 0
    ORDER BY s.disagreeing_answers DESC, s.search_id
    LIMIT coalesce(%(limit)s::integer, 20)
)
SELECT f.search_id, f.problem_id, f.disagreeing_answers, n.node_no, p.observation AS printed,
       n.text AS said, n.verdict, n.visit_count
FROM found AS f
JOIN v1.steps AS n ON n.round_id = f.round_id AND n.search_id = f.search_id
                  AND n.node_no = f.disagreeing_node_no
JOIN v1.steps AS p ON p.round_id = f.round_id AND p.search_id = f.search_id
                  AND p.node_no = n.parent_no
ORDER BY f.disagreeing_answers DESC, f.search_id
