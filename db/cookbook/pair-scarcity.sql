-- question: At which depth are preference pairs scarce, and for want of what?
-- time: interactive
-- parameter: run text; name of the run; the newest run
-- parameter: round integer; only this round; every round
-- A prefix needs a step that leads to a correct answer and one that leads to a wrong one
-- (contested), and then a difference in Q (paired). Depth 0 is whole solutions.
SELECT round, kind, depth, prefixes, contested_prefixes, paired_prefixes, pairs,
       round(contested_prefixes::numeric / nullif(prefixes, 0), 4) AS contested_share,
       round(paired_prefixes::numeric / nullif(prefixes, 0), 4) AS paired_share,
       round(mean_margin::numeric, 4) AS mean_margin
FROM v1.pair_counts
WHERE run = coalesce(%(run)s, (SELECT run FROM v1.rounds ORDER BY round_id DESC LIMIT 1))
  AND (%(round)s::integer IS NULL OR round = %(round)s)
ORDER BY round, kind, depth
