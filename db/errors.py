"""The base of every error that Stepforge raises on purpose, and the errors of the database.

The base lives in the lowest layer so that every layer can raise it. A message says what happened,
to which id, and what to do next; the command line prints it and exits with 1.
"""


class StepforgeError(Exception):
    """Base class: a sentence that names the input and the remedy."""


class DatabaseError(StepforgeError):
    """Postgres could not do what was asked."""


class SchemaMismatch(DatabaseError):
    """The database was made by another version of Stepforge."""


class LeaseLost(DatabaseError):
    """Another worker holds the search now; what this worker did for it must be dropped."""


class RoundBusy(DatabaseError):
    """Another process moves the nodes of a round."""


class QueryRejected(DatabaseError):
    """A user's SQL was refused or failed."""
