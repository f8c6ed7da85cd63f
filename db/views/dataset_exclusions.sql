CREATE VIEW v1.dataset_exclusions AS
SELECT
    e.dataset_id,
    d.name,
    u.name AS run,
    e.problem_id,
    e.rule,
    e.score,
    e.duplicate_of,
    e.benchmark,
    e.benchmark_item,
    e.evidence
FROM public.dataset_exclusions AS e
JOIN public.datasets AS d ON d.id = e.dataset_id
JOIN public.runs AS u ON u.id = d.run_id;

COMMENT ON VIEW v1.dataset_exclusions IS 'Problems that were left out of a named dataset version, and why.';
COMMENT ON COLUMN v1.dataset_exclusions.dataset_id IS 'Dataset version (datasets)';
COMMENT ON COLUMN v1.dataset_exclusions.name IS 'Name of the version';
COMMENT ON COLUMN v1.dataset_exclusions.run IS 'Name of the run';
COMMENT ON COLUMN v1.dataset_exclusions.problem_id IS 'Problem (problems)';
COMMENT ON COLUMN v1.dataset_exclusions.rule IS 'near_duplicate (of another problem), ngram or minhash (contaminated by a benchmark)';
COMMENT ON COLUMN v1.dataset_exclusions.score IS 'near_duplicate, minhash: Jaccard similarity, 0 to 1; ngram: share of the n-grams of the benchmark item that the problem holds';
COMMENT ON COLUMN v1.dataset_exclusions.duplicate_of IS 'Problem that was kept instead (problems)';
COMMENT ON COLUMN v1.dataset_exclusions.benchmark IS 'Name of the benchmark';
COMMENT ON COLUMN v1.dataset_exclusions.benchmark_item IS 'Id of the item in it';
COMMENT ON COLUMN v1.dataset_exclusions.evidence IS 'What both texts say';
