"""Names in options: what SageMaker would refuse is wrong usage."""

import click

from slipway.checks.name import LONGEST_NAME, check_name
from slipway.errors import SettingError

_MOST_OF_TUNING = 32


def endpoint_name(_context: click.Context, _parameter: click.Parameter, value: str | None) -> str | None:
    """Check an endpoint's name.

    Raises:
        click.BadParameter: SageMaker has no such names.
    """
    return _checked(value, "an endpoint")


def job_name(_context: click.Context, _parameter: click.Parameter, value: str | None) -> str | None:
    """Check a job's name.

    Raises:
        click.BadParameter: SageMaker has no such names.
    """
    return _checked(value, "a job")


def tuning_job_name(_context: click.Context, _parameter: click.Parameter, value: str | None) -> str | None:
    """Check a tuning job's name, or a prefix of jobs' names.

    Raises:
        click.BadParameter: SageMaker has no such names.
    """
    return _checked(value, "a tuning job or a group of jobs", _MOST_OF_TUNING)


def _checked(value: str | None, what: str, most: int = LONGEST_NAME) -> str | None:
    if not value:
        return None
    try:
        return check_name(value, what, most)
    except SettingError as error:
        raise click.BadParameter(str(error)) from error
