-- question: Which searches spent the most tokens on steps that no rollout went through?
-- time: interactive
-- parameter: run text; name of the run; the newest run
-- parameter: round integer; round of the run; the last round
-- parameter: limit integer; rows; 20
SELECT search_id, problem_id, solved, nodes, failed_steps, generated_tokens, wasted_tokens,
       round(wasted_tokens::numeric / nullif(generated_tokens, 0), 4) AS wasted_share
FROM v1.searches
WHERE round_id = (
    SELECT round_id FROM v1.rounds
    WHERE run = coalesce(%(run)s, (SELECT run FROM v1.rounds ORDER BY round_id DESC LIMIT 1))
      AND statistics_at IS NOT NULL
      AND (%(round)s::integer IS NULL OR round = %(round)s)
    ORDER BY round DESC LIMIT 1
)
  AND wasted_tokens IS NOT NULL
ORDER BY wasted_tokens DESC, search_id
LIMIT coalesce(%(limit)s::integer, 20)
