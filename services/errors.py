"""One error class for each boundary that the service crosses.

Errors are caught where a task or a command ends and nowhere else. `InfrastructureError` is what a
retry may cure: it leaves a search open and never becomes a label.
"""

from db.errors import StepforgeError


class ConfigurationError(StepforgeError):
    """A setting, a profile or a path is wrong; the user must change it."""


class ProblemImportError(StepforgeError):
    """A problem source could not be read; nothing of it was stored."""


class TreeImportError(StepforgeError):
    """A file of trees could not be read; nothing of it was stored."""


class ModelError(StepforgeError):
    """A model folder is missing or is not a model."""


class ArchiveDamaged(StepforgeError):
    """The file of an archived round is gone or is not what was written."""


class ExportIncomplete(StepforgeError):
    """An export wrote other rows than it planned; its folder has no card."""


class DatasetEmpty(StepforgeError):
    """Curation found nothing to train on."""


class PromptTooLong(StepforgeError):
    """A model's context does not hold a prompt: a fact about the prompt, and no engine's failure.

    Asking again cannot cure it, so whoever asked ends the path that the prompt is of.
    """


class InfrastructureError(StepforgeError):
    """An engine that the service stands on failed; the work may be tried again."""


class EngineUnavailable(InfrastructureError):
    """Postgres, the broker or a worker could not be started or reached."""


class PolicyUnavailable(InfrastructureError):
    """The model server failed, refused, or answered something that is not an answer."""


class SandboxUnavailable(InfrastructureError):
    """The sandbox itself failed; says nothing about the program that ran in it."""


class StateNotReproducible(SandboxUnavailable):
    """The steps that led to a state ran before and do not run again: chance or time is in them."""


class GraderUnavailable(InfrastructureError):
    """The grader process could not be started."""
