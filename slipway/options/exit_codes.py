"""Exit codes of the `slipway` command; docs/sagemaker.md has the same table. ./push.sh has its own, in its help."""

from enum import IntEnum

from container.contract.errors import UserError
from slipway.errors import (
    CredentialsError,
    DeniedError,
    JobFailedError,
    QuotaError,
    RefusedError,
    RemoteJobError,
    UnreachableError,
)


class ExitCode(IntEnum):
    """What an exit code means."""

    DONE = 0
    MENDABLE = 1
    """The user can mend it, as the message says."""
    USAGE = 2
    """The command line is wrong."""
    REFUSED = 3
    """AWS refused: credentials, a permission, a quota, a name; or does not answer."""
    JOB_FAILED = 4
    """A job failed, on SageMaker or on this machine."""
    INTERRUPTED = 130
    """Ctrl-C; another signal n ends the command with 128 + n."""


_REFUSED = (RefusedError, CredentialsError, DeniedError, QuotaError, UnreachableError)
_FAILED = (RemoteJobError, JobFailedError)


def exit_code(error: UserError) -> ExitCode:
    """Choose the exit code for an error."""
    # Whoever waits for a job is told on Ctrl-C that it goes on, by an error.
    if isinstance(error.__context__, KeyboardInterrupt):
        return ExitCode.INTERRUPTED
    if isinstance(error, _FAILED):
        return ExitCode.JOB_FAILED
    return ExitCode.REFUSED if isinstance(error, _REFUSED) else ExitCode.MENDABLE
