-- question: Which wordings of a step fail most often?
-- time: batch
-- parameter: run text; name of the run; the newest run
-- parameter: round integer; round of the run; the last round
-- parameter: at_least integer; steps that a wording must have; 5
-- parameter: limit integer; rows; 20
-- The first line of a step is its wording, numbers read as one.
SELECT regexp_replace(left(split_part(ltrim(text, E'\n '), E'\n', 1), 80), '\d+', '#', 'g') AS wording,
       count(*) AS steps, count(*) FILTER (WHERE outcome <> 'ok') AS failed,
       round(count(*) FILTER (WHERE outcome <> 'ok') / count(*)::numeric, 4) AS failed_share,
       mode() WITHIN GROUP (ORDER BY split_part(error, ':', 1)) AS most_common_error
FROM v1.steps
WHERE round_id = (
    SELECT round_id FROM v1.rounds
    WHERE run = coalesce(%(run)s, (SELECT run FROM v1.rounds ORDER BY round_id DESC LIMIT 1))
      AND (%(round)s::integer IS NULL OR round = %(round)s)
    ORDER BY round DESC LIMIT 1
)
  AND kind IN ('code', 'final_code')
GROUP BY wording
HAVING count(*) >= coalesce(%(at_least)s::integer, 5)
   AND count(*) FILTER (WHERE outcome <> 'ok') > 0
ORDER BY failed DESC, wording
LIMIT coalesce(%(limit)s::integer, 20)
