"""Names in options: what SageMaker would refuse is wrong usage."""

import click

from slipway.checks.name import check_name
from slipway.errors import SettingError


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


def _checked(value: str | None, what: str) -> str | None:
    if not value:
        return None
    try:
        return check_name(value, what)
    except SettingError as error:
        raise click.BadParameter(str(error)) from error
