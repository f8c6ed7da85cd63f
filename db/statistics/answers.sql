-- What each answer that a rollout gave says, and what the code before it printed last.
CREATE TEMPORARY TABLE answers_of_round ON COMMIT DROP AS
SELECT
    n.search_id,
    n.node_no,
    s.problem_id,
    n.verdict,
    n.visit_count,
    CASE
        WHEN strpos(n.text, '\boxed{') > 0
        THEN left(btrim(regexp_replace(split_part(n.text, '\boxed{', -1), '[}][^}]*$', '')), 200)
    END AS said,
    CASE
        WHEN p.kind = 'final_code'
        THEN left(btrim(split_part(rtrim(p.observation, E' \n'), E'\n', -1)), 200)
    END AS printed
FROM nodes AS n
JOIN searches AS s ON s.id = n.search_id AND s.status = 'done'
JOIN nodes AS p
    ON p.round_id = n.round_id AND p.search_id = n.search_id AND p.node_no = n.parent_no
WHERE n.round_id = :round_id AND p.round_id = :round_id AND s.round_id = :round_id
  AND n.kind = 'answer' AND n.visit_count > 0
