"""Every table, so that one import gives Alembic and the queries the whole schema."""

from db.models.archives import Archive
from db.models.base import Base
from db.models.checkpoints import Checkpoint, Evaluation, EvaluationAnswer
from db.models.consistency import ConsistencyCandidate, ConsistencyCheck
from db.models.curation import (
    Dataset,
    DatasetExclusion,
    DatasetItem,
    PreferencePair,
    Trajectory,
)
from db.models.labellings import Labelling, ProblemReview
from db.models.problems import Problem, RunProblem
from db.models.runs import Round, Run, Stage
from db.models.searches import Node, Search
from db.models.statistics import (
    PairStatistics,
    PriorStatistics,
    ProblemStatistics,
    QStatistics,
    RoundStatistics,
    SearchStatistics,
    SourceStatistics,
    StepStatistics,
)
from db.models.synthesis import SynthesisDraft

__all__ = [
    "Archive",
    "Base",
    "Checkpoint",
    "ConsistencyCandidate",
    "ConsistencyCheck",
    "Dataset",
    "DatasetExclusion",
    "DatasetItem",
    "Evaluation",
    "EvaluationAnswer",
    "Labelling",
    "Node",
    "PairStatistics",
    "PreferencePair",
    "PriorStatistics",
    "Problem",
    "ProblemReview",
    "ProblemStatistics",
    "QStatistics",
    "Round",
    "RoundStatistics",
    "Run",
    "RunProblem",
    "Search",
    "SearchStatistics",
    "SourceStatistics",
    "Stage",
    "StepStatistics",
    "SynthesisDraft",
    "Trajectory",
]
