CREATE VIEW v1.rounds AS
SELECT
    r.id AS round_id,
    u.name AS run,
    r.number AS round,
    u.base_model,
    r.policy_checkpoint_id,
    policy.path AS policy,
    r.ppm_checkpoint_id,
    ppm.path AS ppm,
    r.created_at AS started_at,
    r.finished_at,
    statistics.refreshed_at AS statistics_at
FROM public.rounds AS r
JOIN public.runs AS u ON u.id = r.run_id
LEFT JOIN public.checkpoints AS policy ON policy.id = r.policy_checkpoint_id
LEFT JOIN public.checkpoints AS ppm ON ppm.id = r.ppm_checkpoint_id
LEFT JOIN public.round_statistics AS statistics ON statistics.round_id = r.id;

COMMENT ON VIEW v1.rounds IS 'Rounds, one a row: which models searched, and when.';
COMMENT ON COLUMN v1.rounds.round_id IS 'Key of the round';
COMMENT ON COLUMN v1.rounds.run IS 'Name of the run';
COMMENT ON COLUMN v1.rounds.round IS 'Number of the round in its run, from 1';
COMMENT ON COLUMN v1.rounds.base_model IS 'Folder or hub name of the model that the run started from';
COMMENT ON COLUMN v1.rounds.policy_checkpoint_id IS 'Checkpoint that proposed the steps (checkpoints); null: the bootstrap endpoint''s model';
COMMENT ON COLUMN v1.rounds.policy IS 'Folder of that checkpoint';
COMMENT ON COLUMN v1.rounds.ppm_checkpoint_id IS 'Checkpoint of the PPM that gave the priors (checkpoints); null: terminal-guided, no priors';
COMMENT ON COLUMN v1.rounds.ppm IS 'Folder of that checkpoint';
COMMENT ON COLUMN v1.rounds.started_at IS 'When the round was started';
COMMENT ON COLUMN v1.rounds.finished_at IS 'When its last stage ended; null while it runs';
COMMENT ON COLUMN v1.rounds.statistics_at IS 'When the statistics of the round were counted last; null: not yet, see `stepforge db refresh`';
