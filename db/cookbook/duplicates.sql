-- question: How many candidates repeat a sibling, by depth?
-- time: interactive
-- parameter: run text; name of the run; the newest run
-- parameter: round integer; only this round; every round
-- A rate that rises says that the policy is sure, or that the temperature is too low.
SELECT round, depth, sum(candidates)::bigint AS candidates, sum(steps)::bigint AS distinct_steps,
       round(1 - sum(steps) / nullif(sum(candidates), 0), 4) AS duplicate_rate
FROM v1.step_counts
WHERE run = coalesce(%(run)s, (SELECT run FROM v1.rounds ORDER BY round_id DESC LIMIT 1))
  AND (%(round)s::integer IS NULL OR round = %(round)s)
GROUP BY round, depth
ORDER BY round, depth
