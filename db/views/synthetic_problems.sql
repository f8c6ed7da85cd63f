CREATE VIEW v1.synthetic_problems AS
SELECT
    d.id AS draft_id,
    u.name AS run,
    d.batch_seed,
    d.draft_no,
    d.status,
    d.problem_id,
    d.question,
    d.answer,
    d.solutions,
    d.agreeing,
    d.seed_problem_ids,
    d.writer,
    d.prompt_version,
    d.sampling_seed,
    d.solver,
    d.correct_share,
    d.created_at,
    d.dropped_at
FROM public.synthesis_drafts AS d
JOIN public.runs AS u ON u.id = d.run_id;

COMMENT ON VIEW v1.synthetic_problems IS 'Problems that a model wrote, those that were not kept included, with where they came from.';
COMMENT ON COLUMN v1.synthetic_problems.draft_id IS 'Key of the draft';
COMMENT ON COLUMN v1.synthetic_problems.run IS 'Run from whose training problems it was written';
COMMENT ON COLUMN v1.synthetic_problems.batch_seed IS 'Seed of the command that wrote it';
COMMENT ON COLUMN v1.synthetic_problems.draft_no IS 'Counted from 0 within the batch';
COMMENT ON COLUMN v1.synthetic_problems.status IS 'kept, dropped, disagreed, duplicate or unreadable';
COMMENT ON COLUMN v1.synthetic_problems.problem_id IS 'Problem (problems); null where it was not kept';
COMMENT ON COLUMN v1.synthetic_problems.question IS 'As the model wrote it; null where it wrote none';
COMMENT ON COLUMN v1.synthetic_problems.answer IS 'Most frequent answer of its solutions';
COMMENT ON COLUMN v1.synthetic_problems.solutions IS 'Solutions that were sampled';
COMMENT ON COLUMN v1.synthetic_problems.agreeing IS 'Solutions of them with that answer';
COMMENT ON COLUMN v1.synthetic_problems.seed_problem_ids IS 'Problems that the writer was shown (problems)';
COMMENT ON COLUMN v1.synthetic_problems.writer IS 'Model that wrote it';
COMMENT ON COLUMN v1.synthetic_problems.prompt_version IS 'Version of the writer''s prompt';
COMMENT ON COLUMN v1.synthetic_problems.sampling_seed IS 'Seed of the writing';
COMMENT ON COLUMN v1.synthetic_problems.solver IS 'Policy whose solutions they are';
COMMENT ON COLUMN v1.synthetic_problems.correct_share IS 'Correct among the graded trajectories of its searches, when last looked at';
COMMENT ON COLUMN v1.synthetic_problems.created_at IS 'When it was written';
COMMENT ON COLUMN v1.synthetic_problems.dropped_at IS 'When it was dropped';
