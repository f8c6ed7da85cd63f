-- Steps by what they are and what became of them. Only what looks like the name of an exception is
-- kept of an error: the rest is a model's text.
INSERT INTO step_statistics (
    round_id, depth, kind, outcome, error_type, visited, steps, candidates, generated_tokens,
    wall_seconds, slowest_seconds
)
SELECT
    :round_id,
    depth,
    kind,
    outcome,
    CASE
        WHEN error IS NULL THEN ''
        ELSE coalesce(substring(error FROM '^[A-Za-z_][A-Za-z0-9_.]{0,63}'), 'other')
    END AS error_type,
    visited,
    sum(steps),
    sum(candidates),
    sum(generated_tokens),
    sum(wall_seconds),
    max(slowest_seconds)
FROM errors_of_round
GROUP BY depth, kind, outcome, error_type, visited
