-- How each problem fared, and the wrong answer that most of its rollouts agree on.
INSERT INTO problem_statistics (
    round_id, problem_id, searches, solved_searches, rollouts, correct_rollouts, generated_tokens,
    top_wrong_answer, top_wrong_rollouts
)
SELECT
    :round_id,
    s.problem_id,
    count(*),
    count(*) FILTER (WHERE s.solved),
    sum(s.rollouts),
    coalesce(sum(t.correct_rollouts), 0),
    sum(s.generated_tokens),
    min(w.said),
    coalesce(min(w.rollouts), 0)
FROM searches AS s
LEFT JOIN search_statistics AS t ON t.search_id = s.id
LEFT JOIN (
    SELECT DISTINCT ON (problem_id) problem_id, said, sum(visit_count) AS rollouts
    FROM answers_of_round
    WHERE verdict = 'different' AND said IS NOT NULL AND visit_count > 0
    GROUP BY problem_id, said
    ORDER BY problem_id, rollouts DESC, said
) AS w ON w.problem_id = s.problem_id
WHERE s.round_id = :round_id AND s.status = 'done'
GROUP BY s.problem_id
