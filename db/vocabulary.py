"""The words that are stored: every state and kind has one name, here, in Postgres and in the docs.

This module imports nothing, so that pure code (the search) and the schema can share it.
"""

from enum import StrEnum


class Split(StrEnum):
    """What a problem may be used for. A held-out problem is never searched or trained on."""

    TRAIN = "train"
    HELD_OUT = "held_out"


class StepKind(StrEnum):
    """Which part of a solution a node holds."""

    ROOT = "root"  # the question; the only node without a parent
    CODE = "code"  # ends in <end_of_step>
    FINAL_CODE = "final_code"  # ends in <end_of_code>; its observation is shown to the policy
    ANSWER = "answer"  # ends in <end_of_answer>; holds no code
    THOUGHT = "thought"  # one step in words (rStar's A1)
    SUBQUESTION = "subquestion"  # a sub-question with its answer (A3)
    REANSWER = "reanswer"  # the sub-question before, answered again (A4)
    REPHRASED = "rephrased"  # the question in other words (A5)
    UNPARSABLE = "unparsable"  # has none of the three endings


class Outcome(StrEnum):
    """What became of a step. A failure of the sandbox itself is an exception, never an outcome."""

    OK = "ok"  # ran to its end
    RAISED = "raised"  # raised, exited, or did not compile
    TIMED_OUT = "timed_out"  # passed its wall or processor time
    OUT_OF_MEMORY = "out_of_memory"  # passed its memory limit
    UNPARSABLE = "unparsable"  # not a step: no ending, empty, or an answer without a box


class TerminalReason(StrEnum):
    """Why a rollout ended at a node."""

    ANSWER = "answer"  # an answer was given; the grader decides the reward
    EXECUTION_ERRORS = "execution_errors"  # every candidate step failed to run
    MAX_DEPTH = "max_depth"  # the depth limit came before an answer
    UNPARSABLE_STEP = "unparsable_step"  # no candidate was a step at all
    PROMPT_TOO_LONG = "prompt_too_long"  # a model's context does not hold the path to here


class SearchStatus(StrEnum):
    """Where a search stands. Only `leased` has an owner; only `done` has labels.

    Any search may have nodes: what it stored until it was interrupted, from where it goes on.
    """

    OPEN = "open"
    LEASED = "leased"
    DONE = "done"
    FAILED = "failed"  # given up after too many infrastructure failures; carries no label


class PairKind(StrEnum):
    """Which prefixes a preference pair compares."""

    STEP = "step"  # two steps after the same prefix
    ANSWER = "answer"  # two whole trajectories; their prefixes may differ


class DraftStatus(StrEnum):
    """What became of a synthetic problem."""

    KEPT = "kept"  # enough solutions agreed; it is a problem now
    DROPPED = "dropped"  # kept, but its searches were correct too seldom
    DISAGREED = "disagreed"  # too few solutions agreed
    DUPLICATE = "duplicate"  # its question was stored already
    UNREADABLE = "unreadable"  # the model wrote no question


class DatasetKind(StrEnum):
    """What a dataset version trains."""

    SFT = "sft"  # correct solutions, for a policy
    PREFERENCE = "preference"  # pairs, for a PPM
    STEPWISE = "stepwise"  # solutions with a label on every step, for a process reward model


class ExclusionRule(StrEnum):
    """Why a problem is left out of a named dataset version."""

    NEAR_DUPLICATE = "near_duplicate"  # an earlier problem of the version asks almost the same
    NGRAM = "ngram"  # it shares a run of words with an item of a benchmark
    MINHASH = "minhash"  # it is similar to an item of a benchmark as a whole


class CheckpointKind(StrEnum):
    """Which model a checkpoint holds."""

    POLICY = "policy"
    PPM = "ppm"


class NodesState(StrEnum):
    """Where the nodes of a round are."""

    ATTACHED = "attached"  # a partition of `nodes`
    DETACHED = "detached"  # a table beside it
    ARCHIVED = "archived"  # a Parquet file
    LOST = "lost"  # nowhere; `stepforge db check` finds it


class StageName(StrEnum):
    """A stage of a round, in the order in which they run; the value is what people read."""

    CONVERT = "convert solutions"  # the bootstrap's reference solutions become steps
    SEARCH = "search"  # trees are grown
    CHECK = "check consistency"  # trajectories without a ground truth are checked
    CURATE = "curate"  # trajectories, pairs and dataset versions are made
    TRAIN_POLICY = "train policy"
    TRAIN_PPM = "train PPM"
    EVALUATE = "evaluate"  # greedy pass@1 of the new policy


class StageStatus(StrEnum):
    """Where a stage of a round stands."""

    RUNNING = "running"
    DONE = "done"


class ReviewDecision(StrEnum):
    """What a person found of a problem that no search solved and whose wrong answers agree."""

    OK = "ok"  # the ground truth is right; the problem is hard
    MISLABELLED = "mislabelled"  # the ground truth is wrong
    AMBIGUOUS = "ambiguous"  # the question allows several answers


class Verdict(StrEnum):
    """How an answer compares with the ground truth."""

    EQUAL = "equal"
    DIFFERENT = "different"
    UNDECIDED = "undecided"  # the comparison hung, died or could not read the answer
