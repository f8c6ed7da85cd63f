-- question: Which sources and templates are solved, round by round?
-- time: interactive
-- parameter: run text; name of the run; the newest run
-- parameter: round integer; only this round; every round
SELECT source, round, count(*) AS problems, count(*) FILTER (WHERE solved) AS solved,
       round(count(*) FILTER (WHERE solved) / count(*)::numeric, 4) AS solved_share,
       round(sum(correct_rollouts) / nullif(sum(rollouts), 0)::numeric, 4) AS solve_rate,
       round(sum(generated_tokens) / count(*), 1) AS tokens_per_problem
FROM v1.problem_rounds
WHERE run = coalesce(%(run)s, (SELECT run FROM v1.rounds ORDER BY round_id DESC LIMIT 1))
  AND (%(round)s::integer IS NULL OR round = %(round)s)
GROUP BY source, round
ORDER BY source, round
