-- question: Which ground truths are probably wrong?
-- time: interactive
-- parameter: run text; name of the run; the newest run
-- parameter: round integer; only this round; every round
-- parameter: agree number; share of the rollouts that give one and the same other answer; 0.5
-- parameter: rollouts integer; rollouts that a problem must have; 4
-- parameter: limit integer; rows; 50
-- Rollouts that agree with each other and not with the ground truth; look at these by hand.
SELECT round, problem_id, answer AS ground_truth, top_wrong_answer AS rollouts_say,
       top_wrong_rollouts, correct_rollouts, rollouts,
       round(top_wrong_rollouts::numeric / rollouts, 4) AS agreement
FROM v1.problem_rounds
WHERE run = coalesce(%(run)s, (SELECT run FROM v1.rounds ORDER BY round_id DESC LIMIT 1))
  AND (%(round)s::integer IS NULL OR round = %(round)s)
  AND rollouts >= coalesce(%(rollouts)s::integer, 4)
  AND top_wrong_rollouts >= coalesce(%(agree)s::numeric, 0.5) * rollouts
  AND top_wrong_rollouts > correct_rollouts
ORDER BY agreement DESC, top_wrong_rollouts DESC, round, problem_id
LIMIT coalesce(%(limit)s::integer, 50)
