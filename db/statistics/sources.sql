-- How the problems of each source fared, from what was just counted of the problems.
INSERT INTO source_statistics (
    round_id, source, problems, solved_problems, rollouts, correct_rollouts, generated_tokens
)
SELECT
    t.round_id,
    p.source,
    count(*),
    count(*) FILTER (WHERE t.solved_searches > 0),
    sum(t.rollouts),
    sum(t.correct_rollouts),
    sum(t.generated_tokens)
FROM problem_statistics AS t
JOIN problems AS p ON p.id = t.problem_id
WHERE t.round_id = :round_id
GROUP BY t.round_id, p.source
