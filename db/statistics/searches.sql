-- What each tree holds. An answer disagrees with its program where both are plain numbers and
-- differ; the bounds keep a number that a model wrote within what Postgres reads.
INSERT INTO search_statistics (
    search_id, round_id, correct_rollouts, failed_steps, duplicate_candidates, wasted_tokens,
    sandbox_seconds, slowest_node_no, slowest_seconds, dead_end_node_no, dead_end_depth,
    disagreeing_answers, disagreeing_node_no
)
SELECT
    t.search_id, :round_id, t.correct, t.failed, t.duplicates, t.wasted, t.seconds,
    -t.slowest[2], t.slowest[1], -t.dead_end[2], t.dead_end[1],
    coalesce(d.answers, 0), d.first_no
FROM (
    SELECT
        n.search_id,
        coalesce(sum(n.visit_count) FILTER (WHERE n.verdict = 'equal'), 0) AS correct,
        count(*) FILTER (WHERE n.outcome <> 'ok') AS failed,
        coalesce(sum(n.proposals - 1) FILTER (WHERE n.node_no > 0), 0) AS duplicates,
        coalesce(sum(n.generated_tokens) FILTER (WHERE n.visit_count = 0), 0) AS wasted,
        sum(n.wall_seconds) AS seconds,
        -- The first node of the largest value: arrays compare element by element.
        max(ARRAY[n.wall_seconds, -n.node_no]) FILTER (WHERE n.wall_seconds > 0) AS slowest,
        max(ARRAY[n.depth, -n.node_no]) FILTER (WHERE n.terminal_reason <> 'answer') AS dead_end
    FROM nodes AS n
    JOIN searches AS s ON s.id = n.search_id AND s.status = 'done'
    WHERE n.round_id = :round_id AND s.round_id = :round_id
    GROUP BY n.search_id
) AS t
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
    ) AS numbers
    WHERE said <> printed
    GROUP BY search_id
) AS d ON d.search_id = t.search_id
