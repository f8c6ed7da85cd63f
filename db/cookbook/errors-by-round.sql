-- question: Which errors do programs raise, and does training remove them?
-- time: interactive
-- parameter: run text; name of the run; the newest run
-- parameter: limit integer; rows; 50
WITH by_round AS (
    SELECT round, outcome, error_type, sum(steps) AS steps,
           sum(sum(steps)) OVER (PARTITION BY round) AS of_round
    FROM v1.step_counts
    WHERE run = coalesce(%(run)s, (SELECT run FROM v1.rounds ORDER BY round_id DESC LIMIT 1))
    GROUP BY round, outcome, error_type
)
SELECT outcome, error_type, round, steps::bigint AS steps,
       round(steps / of_round, 4) AS share_of_steps
FROM by_round
WHERE outcome <> 'ok'
ORDER BY sum(steps) OVER (PARTITION BY outcome, error_type) DESC, outcome, error_type, round
LIMIT coalesce(%(limit)s::integer, 50)
