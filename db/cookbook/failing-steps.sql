-- question: Which steps fail most, and how?
-- time: interactive
-- parameter: run text; name of the run; the newest run
-- parameter: round integer; only this round; every round
-- parameter: limit integer; rows; 20
WITH counted AS (
    SELECT depth, kind, outcome, error_type, steps, generated_tokens,
           sum(steps) OVER (PARTITION BY depth) AS at_depth
    FROM v1.step_counts
    WHERE run = coalesce(%(run)s, (SELECT run FROM v1.rounds ORDER BY round_id DESC LIMIT 1))
      AND (%(round)s::integer IS NULL OR round = %(round)s)
)
SELECT depth, kind, outcome, error_type, sum(steps)::bigint AS failed_steps,
       round(sum(steps) / max(at_depth), 4) AS share_at_depth,
       sum(generated_tokens)::bigint AS generated_tokens
FROM counted
WHERE outcome <> 'ok'
GROUP BY depth, kind, outcome, error_type
ORDER BY failed_steps DESC, depth, kind, outcome, error_type
LIMIT coalesce(%(limit)s::integer, 20)
