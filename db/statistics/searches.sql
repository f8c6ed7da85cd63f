-- What each tree holds. An answer disagrees with its program where both are plain numbers and
-- differ; the bounds keep a number that a model wrote within what Postgres reads.
INSERT INTO search_statistics (
    search_id, round_id, correct_rollouts, failed_steps, duplicate_candidates, wasted_tokens,
    sandbox_seconds, slowest_node_no, slowest_seconds, dead_end_node_no, dead_end_depth,
    disagreeing_answers, disagreeing_node_no
)
SELECT
    t.search_id, :round_id, t.correct, t.failed, t.duplicates, t.wasted, t.seconds,
    -t.slowest & 16777215, t.slowest_seconds, -t.dead_end[2], t.dead_end[1],
    coalesce(d.answers, 0), d.first_no
FROM trees_of_round AS t
LEFT JOIN (
    SELECT search_id, count(*) AS answers, min(node_no) AS first_no
    FROM (
        SELECT
            search_id,
            node_no,
            substring(regexp_replace(said, '[$,\s]', '', 'g') FROM '^-?\d{1,30}(?:\.\d{1,30})?$')
                ::numeric AS said,
            substring(regexp_replace(printed, '[$,\s]', '', 'g') FROM '^-?\d{1,30}(?:\.\d{1,30})?$')
                ::numeric AS printed
        FROM answers_of_round
        WHERE said <> printed
    ) AS numbers
    WHERE said <> printed
    GROUP BY search_id
) AS d ON d.search_id = t.search_id
