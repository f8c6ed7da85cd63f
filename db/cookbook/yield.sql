-- question: What does each round yield per GPU-hour and per million tokens?
-- time: interactive
-- parameter: run text; name of the run; the newest run
-- parameter: gpus number; GPUs that every stage held; what the stages recorded
SELECT round, searches, solved_problems, correct_trajectories, pairs,
       round(hours.wall::numeric, 4) AS wall_hours,
       round(hours.gpu::numeric, 4) AS gpu_hours,
       round((correct_trajectories / nullif(hours.gpu, 0))::numeric, 2)
           AS correct_trajectories_per_gpu_hour,
       round((pairs / nullif(hours.gpu, 0))::numeric, 2) AS pairs_per_gpu_hour,
       generated_tokens,
       round(1e6 * correct_trajectories / nullif(generated_tokens, 0), 2)
           AS correct_trajectories_per_million_tokens,
       round(1e6 * pairs / nullif(generated_tokens, 0), 2) AS pairs_per_million_tokens
FROM v1.costs
CROSS JOIN LATERAL (
    SELECT stage_seconds / 3600 AS wall,
           coalesce(stage_seconds / 3600 * %(gpus)s::double precision, gpu_hours) AS gpu
) AS hours
WHERE run = coalesce(%(run)s, (SELECT run FROM v1.rounds ORDER BY round_id DESC LIMIT 1))
  AND round > 0
ORDER BY round
