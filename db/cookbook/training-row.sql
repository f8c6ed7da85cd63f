-- question: Which program run did one training row come from?
-- time: interactive
-- parameter: dataset integer; dataset version; the newest version
-- parameter: position integer; place of the row in it; 0
-- The row, the search that found it with its seed, models and sandbox, and then the steps of its
-- completion as they ran.
WITH RECURSIVE item AS (
    SELECT i.*
    FROM v1.dataset_items AS i
    WHERE i.dataset_id = coalesce(%(dataset)s::bigint, (SELECT max(dataset_id) FROM v1.datasets))
      AND i.position = coalesce(%(position)s::integer, 0)
), search AS (
    SELECT s.* FROM v1.searches AS s JOIN item AS i ON s.search_id = i.search_id
), path AS (
    SELECT n.*
    FROM item AS i
    JOIN v1.steps AS n ON n.round_id = i.source_round_id AND n.search_id = i.search_id
                      AND n.node_no = i.chosen_no
    UNION ALL
    SELECT n.*
    FROM path AS p
    JOIN v1.steps AS n ON n.round_id = p.round_id AND n.search_id = p.search_id
                      AND n.node_no = p.parent_no
), facts AS (
    SELECT 0 AS part, fact.place, fact.what, fact.value
    FROM item AS i
    CROSS JOIN LATERAL (VALUES
        (1, 'dataset version', format('%%s, %%s of %%s of %%s', i.dataset_id, i.kind,
                                      coalesce(i.name, 'round ' || i.round), i.run)),
        (2, 'position', i.position::text),
        (3, 'made from', coalesce('pair ' || i.pair_id, 'trajectory ' || i.trajectory_id,
                                  'the reference solution of the problem')),
        (4, 'problem', i.problem_id::text)
    ) AS fact (place, what, value)
    UNION ALL
    SELECT 1, fact.place, fact.what, fact.value
    FROM search AS s
    CROSS JOIN LATERAL (VALUES
        (1, 'search', format('%%s, round %%s of %%s', s.search_id, s.round, s.run)),
        (2, 'seed', s.seed::text),
        (3, 'policy', coalesce((SELECT format('checkpoint %%s, %%s, %%s', c.checkpoint_id, c.path,
                                              c.content_hash)
                                FROM v1.checkpoints AS c
                                WHERE c.checkpoint_id = s.policy_checkpoint_id),
                               'the bootstrap endpoint''s model')),
        (4, 'PPM', coalesce((SELECT format('checkpoint %%s, %%s, %%s', c.checkpoint_id, c.path,
                                           c.content_hash)
                             FROM v1.checkpoints AS c
                             WHERE c.checkpoint_id = s.ppm_checkpoint_id),
                            'none: terminal-guided')),
        (5, 'sandbox', s.sandbox),
        (6, 'finished at', s.finished_at::text)
    ) AS fact (place, what, value)
    UNION ALL
    SELECT 2, n.depth,
           format('step %%s (node %%s)', n.depth, n.node_no),
           concat_ws(E'\n',
                     format('%%s, Q %%s, %%s rollouts, %%s s', n.outcome, round(n.q_value::numeric, 4),
                            n.visit_count, n.wall_seconds),
                     n.text,
                     '-> ' || nullif(n.observation, ''))
    FROM path AS n
    WHERE n.depth > 0
)
SELECT what, value FROM facts ORDER BY part, place
