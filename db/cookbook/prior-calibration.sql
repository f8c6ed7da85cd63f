-- question: Do the PPM's priors foresee what the rollouts give?
-- time: interactive
-- parameter: run text; name of the run; the newest run
-- parameter: round integer; only this round; every round
-- Priors in eight bins of 0.25. Calibrated is mean_prior = mean_value; error is the root of the
-- mean square of their difference over the steps.
SELECT round, -1 + (bin / 5) * 0.25 AS prior_from, sum(steps)::bigint AS steps,
       round((sum(mean_prior * steps) / sum(steps))::numeric, 4) AS mean_prior,
       round((sum(mean_value * steps) / sum(steps))::numeric, 4) AS mean_value,
       round(sqrt(sum(mean_squared_error * steps) / sum(steps))::numeric, 4) AS error
FROM v1.prior_histogram
WHERE run = coalesce(%(run)s, (SELECT run FROM v1.rounds ORDER BY round_id DESC LIMIT 1))
  AND (%(round)s::integer IS NULL OR round = %(round)s)
GROUP BY round, bin / 5
ORDER BY round, bin / 5
