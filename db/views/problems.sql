CREATE VIEW v1.problems AS
SELECT p.id AS problem_id, p.source, p.external_id, p.question, p.answer, p.solution, p.created_at
FROM public.problems AS p;

COMMENT ON VIEW v1.problems IS 'Problems, one a row: a question is stored once, from wherever it was imported.';
COMMENT ON COLUMN v1.problems.problem_id IS 'Key of the problem';
COMMENT ON COLUMN v1.problems.source IS 'Where it was first imported from: a file, gym:TEMPLATE, hf:DATASET';
COMMENT ON COLUMN v1.problems.external_id IS 'Its id in that source';
COMMENT ON COLUMN v1.problems.question IS 'The question, as the policy reads it';
COMMENT ON COLUMN v1.problems.answer IS 'Ground truth; null for open problems';
COMMENT ON COLUMN v1.problems.solution IS 'Reference solution; null where the source has none';
COMMENT ON COLUMN v1.problems.created_at IS 'When it was imported';
