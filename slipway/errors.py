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


class ServiceError(UserError):
    """AWS, a registry or Docker cannot do what is asked, for another reason than those below.

    The exit codes are push.sh's; `slipway` ends with 1 for all of them.
    """

    exit_code = 1


class SettingError(ServiceError):
    """An option or a setting is missing or wrong."""

    exit_code = 2


class CredentialsError(ServiceError):
    """AWS credentials are missing, invalid or expired."""

    exit_code = 3


class DeniedError(ServiceError):
    """The credentials are good, but do not allow what is needed."""

    exit_code = 4


class UnreachableError(ServiceError):
    """An endpoint of AWS or the registry does not answer, or answers with an error of its own."""

    exit_code = 5


class QuotaError(ServiceError):
    """The account may not have more of this."""


class SpaceError(ServiceError):
    """A disk is full."""

    exit_code = 6


class EngineError(ServiceError):
    """Docker is not installed, not running, or holds no such image."""

    exit_code = 7


class SettingsFileError(UserError):
    """slipway.toml cannot be read, or names something that there is not."""


class RemoteJobError(UserError):
    """A job on SageMaker failed or was stopped; the message is its own."""


class EndpointError(UserError):
    """An endpoint is not there, or did not come into service."""


class ComparisonError(UserError):
    """A job cannot be compared: it has not ended, or is none of Slipway's; or none is left to compare."""


class SearchSpaceError(UserError):
    """A range of hyperparameters, or the way in which it is to be searched, makes no sense."""


class TuningError(UserError):
    """A tuning job or study cannot be gone on with, or none of its trials has a result."""


class UploadError(UserError):
    """A file cannot be sent to S3, or the bucket is not one to send it to."""


class DownloadError(UserError):
    """There is nothing to bring from S3, or it cannot be written here."""


class TransformError(UserError):
    """There are no pictures to predict, or what was predicted cannot be read or written."""


class CleaningError(UserError):
    """Something could not be deleted."""


class StoppedError(JobError):
    """A job on this machine was stopped before there was a model to keep."""

    def __init__(self, message: str, number: int) -> None:
        super().__init__(message)
        self.number = number
        """The signal that stopped it."""
