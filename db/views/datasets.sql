CREATE VIEW v1.datasets AS
SELECT
    d.id AS dataset_id,
    u.name AS run,
    d.round_number AS round,
    d.kind,
    d.item_count AS items,
    encode(d.content_hash, 'hex') AS content_hash,
    d.spec,
    d.created_at,
    d.name,
    d.manifest
FROM public.datasets AS d
JOIN public.runs AS u ON u.id = d.run_id;

COMMENT ON VIEW v1.datasets IS 'Dataset versions, one a row; a version never changes.';
COMMENT ON COLUMN v1.datasets.dataset_id IS 'Key of the version';
COMMENT ON COLUMN v1.datasets.run IS 'Name of the run';
COMMENT ON COLUMN v1.datasets.round IS 'Round whose curate stage made it, 0 the bootstrap; null for a named version';
COMMENT ON COLUMN v1.datasets.kind IS 'What it trains: sft (a policy), preference (a PPM) or stepwise (a process reward model)';
COMMENT ON COLUMN v1.datasets.items IS 'How many items it has';
COMMENT ON COLUMN v1.datasets.content_hash IS 'sha256 over its items, in order';
COMMENT ON COLUMN v1.datasets.spec IS 'How its items were chosen';
COMMENT ON COLUMN v1.datasets.created_at IS 'When it was made';
COMMENT ON COLUMN v1.datasets.name IS 'Name that a user gave it; null where the curate stage made it';
COMMENT ON COLUMN v1.datasets.manifest IS 'Of a named version: lineage, candidates that each rule left out, decontamination';
