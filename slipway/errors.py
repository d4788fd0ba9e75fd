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


class ImagesFileError(UserError):
    """The file that holds which images were pushed is damaged or cannot be written, or names no such image."""


class PushError(UserError):
    """An image cannot be pushed, for another reason than those below."""

    exit_code = 1


class SettingError(PushError):
    """An option or a setting is missing or wrong."""

    exit_code = 2


class CredentialsError(PushError):
    """AWS credentials are missing, invalid or expired."""

    exit_code = 3


class DeniedError(PushError):
    """The credentials are good, but do not allow what is needed."""

    exit_code = 4


class UnreachableError(PushError):
    """An endpoint of AWS or the registry does not answer, or answers with an error of its own."""

    exit_code = 5


class SpaceError(PushError):
    """A disk is full."""

    exit_code = 6


class EngineError(PushError):
    """Docker is not installed, not running, or holds no such image."""

    exit_code = 7
