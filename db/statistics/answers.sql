-- What each answer of the round says, and what the code before it printed last.
CREATE TEMPORARY TABLE answers_of_round ON COMMIT DROP AS
SELECT
    n.search_id,
    n.node_no,
    s.problem_id,
    n.verdict,
    n.visit_count,
    left(btrim(substring(n.text FROM '.*\\boxed\s*[{](.*)[}]')), 200) AS said,
    CASE
        WHEN p.kind = 'final_code'
        THEN left(btrim(substring(rtrim(p.observation, E' \n') FROM '[^\n]*$')), 200)
    END AS printed
FROM nodes AS n
JOIN searches AS s ON s.id = n.search_id AND s.status = 'done'
JOIN nodes AS p
    ON p.round_id = n.round_id AND p.search_id = n.search_id AND p.node_no = n.parent_no
WHERE n.round_id = :round_id AND p.round_id = :round_id AND s.round_id = :round_id
  AND n.kind = 'answer' AND n.outcome = 'ok'
