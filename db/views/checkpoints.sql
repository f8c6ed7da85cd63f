CREATE VIEW v1.checkpoints AS
SELECT
    c.id AS checkpoint_id,
    u.name AS run,
    c.round_number AS round,
    c.kind,
    c.path,
    c.started_from,
    c.dataset_id,
    c.content_hash,
    c.metrics,
    c.created_at
FROM public.checkpoints AS c
JOIN public.runs AS u ON u.id = c.run_id;

COMMENT ON VIEW v1.checkpoints IS 'Trained models, one a row.';
COMMENT ON COLUMN v1.checkpoints.checkpoint_id IS 'Key of the checkpoint';
COMMENT ON COLUMN v1.checkpoints.run IS 'Name of the run';
COMMENT ON COLUMN v1.checkpoints.round IS 'Round that trained it; 0 is the bootstrap';
COMMENT ON COLUMN v1.checkpoints.kind IS 'policy or ppm';
COMMENT ON COLUMN v1.checkpoints.path IS 'Its folder';
COMMENT ON COLUMN v1.checkpoints.started_from IS 'Folder of the model that it was trained from';
COMMENT ON COLUMN v1.checkpoints.dataset_id IS 'Dataset version that it was trained on (datasets)';
COMMENT ON COLUMN v1.checkpoints.content_hash IS 'Hash over its files';
COMMENT ON COLUMN v1.checkpoints.metrics IS 'What training measured';
COMMENT ON COLUMN v1.checkpoints.created_at IS 'When it was recorded';
