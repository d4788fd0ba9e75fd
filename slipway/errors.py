"""The host side's errors that the user can mend; data sets and hyperparameters have theirs in container.errors."""

from container.errors import UserError


class SampleError(UserError):
    """The sample data cannot be written where it was asked for."""


class PageError(UserError):
    """A page cannot be written where it was asked for."""


class JobError(UserError):
    """A job directory cannot be made or used, or what the job needs is not installed."""


class ArchiveError(UserError):
    """A model.tar.gz is damaged, holds something else, or cannot be written."""


class RequestError(UserError):
    """One request was refused, or its answer is not a prediction."""


class NoServerError(UserError):
    """Nothing answers at the address."""
