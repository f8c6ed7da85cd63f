-- question: Which problems are solved in one round and not in the other?
-- time: interactive
-- parameter: run text; name of the run; the newest run
-- parameter: before integer; the earlier round; the last round but one
-- parameter: after integer; the later round; the last round
-- parameter: limit integer; rows; 50
WITH wanted AS (
    SELECT run,
           coalesce(%(before)s::integer, (array_agg(round ORDER BY round DESC))[2]) AS before,
           coalesce(%(after)s::integer, max(round)) AS after
    FROM v1.rounds
    WHERE run = coalesce(%(run)s, (SELECT run FROM v1.rounds ORDER BY round_id DESC LIMIT 1))
      AND statistics_at IS NOT NULL
    GROUP BY run
)
SELECT b.problem_id, CASE WHEN a.solved THEN 'gained' ELSE 'lost' END AS flip,
       b.round AS before, round(b.solve_rate::numeric, 4) AS solve_rate_before,
       a.round AS after, round(a.solve_rate::numeric, 4) AS solve_rate_after
FROM v1.problem_rounds AS b
JOIN v1.problem_rounds AS a ON a.problem_id = b.problem_id
WHERE b.round_id = (SELECT r.round_id FROM v1.rounds AS r JOIN wanted AS w
                    ON r.run = w.run AND r.round = w.before)
  AND a.round_id = (SELECT r.round_id FROM v1.rounds AS r JOIN wanted AS w
                    ON r.run = w.run AND r.round = w.after)
  AND a.solved <> b.solved
ORDER BY abs(a.solve_rate - b.solve_rate) DESC, b.problem_id
LIMIT coalesce(%(limit)s::integer, 50)
