-- question: At which depth does Q separate correct from wrong rollouts?
-- time: interactive
-- parameter: run text; name of the run; the newest run
-- parameter: round integer; only this round; every round
-- The area under the ROC curve: the chance that a correct rollout went through a step of higher Q
-- than a wrong one did, ties counting half. 0.5 says nothing, 1 separates.
WITH ranked AS (
    SELECT round, depth, steps, correct_rollouts, wrong_rollouts,
           sum(wrong_rollouts) OVER (PARTITION BY round, depth ORDER BY bin)
               - wrong_rollouts / 2 AS wrong_below
    FROM v1.q_histogram
    WHERE run = coalesce(%(run)s, (SELECT run FROM v1.rounds ORDER BY round_id DESC LIMIT 1))
      AND (%(round)s::integer IS NULL OR round = %(round)s)
)
SELECT round, depth, sum(steps)::bigint AS steps,
       sum(correct_rollouts) AS correct_rollouts,
       sum(wrong_rollouts) AS wrong_rollouts,
       round((sum(correct_rollouts * wrong_below)
              / nullif(sum(correct_rollouts) * sum(wrong_rollouts), 0))::numeric, 4) AS auc
FROM ranked
GROUP BY round, depth
ORDER BY round, depth
