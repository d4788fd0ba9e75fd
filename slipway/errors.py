"""The host side's errors that a user can fix; those of data and hyperparameters are in container.contract.errors."""

from container.contract.errors import UserError


class SampleError(UserError):
    """The sample data cannot be written to its folder."""


class PageError(UserError):
    """A page cannot be written to its file."""


class JobError(UserError):
    """A job directory cannot be created or used, or a package that the job needs is not installed."""


class ArchiveError(UserError):
    """A model.tar.gz is damaged, holds something else, or cannot be written."""


class RequestError(UserError):
    """One request was refused, or its answer is not a prediction."""


class NoServerError(UserError):
    """Nothing answers at the address."""


class ImagesFileError(UserError):
    """images.json is damaged, cannot be written, or lists no such image."""


class ServiceError(UserError):
    """AWS, a registry or Docker refuses a call, for another reason than those of the subclasses.

    The exit codes are push.sh's; those of `slipway` are in slipway/options/exit_codes.py.
    """

    exit_code = 1


class SettingError(ServiceError):
    """An option or a setting is missing or wrong."""

    exit_code = 2


class CredentialsError(ServiceError):
    """AWS credentials are missing, invalid or expired."""

    exit_code = 3


class DeniedError(ServiceError):
    """The credentials are valid, but lack a permission."""

    exit_code = 4


class UnreachableError(ServiceError):
    """AWS or a registry does not answer, or answers with an internal error."""

    exit_code = 5


class RefusedError(ServiceError):
    """A service of AWS's refused a call, for another reason than those of the other classes."""


class QuotaError(ServiceError):
    """A quota of the account is used up."""


class SpaceError(ServiceError):
    """A disk is full."""

    exit_code = 6


class EngineError(ServiceError):
    """Docker is not installed, not running, or holds no such image."""

    exit_code = 7


class SettingsFileError(UserError):
    """slipway.toml cannot be read, or has an unknown name in it."""


class RemoteJobError(UserError):
    """A job on SageMaker failed or was stopped; the message has the job's reason."""


class EndpointError(UserError):
    """An endpoint does not exist, or did not come into service."""


class ComparisonError(UserError):
    """A job cannot be compared, because it is unfinished or not Slipway's, and has no figures."""


class SearchSpaceError(UserError):
    """A hyperparameter range or the search strategy is invalid."""


class TuningError(UserError):
    """A tuning job or study cannot be read or continued."""


class UploadError(UserError):
    """A file cannot be uploaded to S3, or the bucket cannot be used."""


class DownloadError(UserError):
    """There is nothing to download from S3, or it cannot be written to disk."""


class TransformError(UserError):
    """There are no pictures to predict, or the predictions cannot be read or written."""


class CleaningError(UserError):
    """A resource could not be deleted."""


class JobFailedError(JobError):
    """A job on this machine failed, or jobs of a comparison did; the message has the reason."""


class StoppedError(JobError):
    """A job on this machine was stopped before there was a model to keep."""

    def __init__(self, message: str, number: int) -> None:
        super().__init__(message)
        self.number = number
        """The signal that stopped it."""
