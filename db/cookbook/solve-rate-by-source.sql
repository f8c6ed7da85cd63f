-- question: Which sources and templates are solved, round by round?
-- time: interactive
-- parameter: run text; name of the run; the newest run
-- parameter: round integer; only this round; every round
SELECT source, round, problems, solved_problems AS solved,
       round(solved_problems / problems::numeric, 4) AS solved_share,
       round(solve_rate::numeric, 4) AS solve_rate,
       round(generated_tokens / problems::numeric, 1) AS tokens_per_problem
FROM v1.source_rounds
WHERE run = coalesce(%(run)s, (SELECT run FROM v1.rounds ORDER BY round_id DESC LIMIT 1))
  AND (%(round)s::integer IS NULL OR round = %(round)s)
ORDER BY source, round
