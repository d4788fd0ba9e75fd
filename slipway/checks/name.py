"""The rule that SageMaker has for the names of what one creates."""

import re

from slipway.errors import SettingError

LONGEST_NAME = 63
_NAME = re.compile(r"[a-zA-Z0-9](-*[a-zA-Z0-9])*")


def check_name(name: str, what: str, most: int = LONGEST_NAME) -> str:
    """Return the name if SageMaker takes it.

    Args:
        name: The name.
        what: What it names, for the message: `an endpoint`.
        most: Most characters.

    Raises:
        SettingError: It has other characters, or is too long.
    """
    if len(name) > most or not _NAME.fullmatch(name):
        raise SettingError(
            f"{name!r} cannot be the name of {what}: it may have letters, digits and hyphens, {most} at most, and "
            "begins and ends with a letter or a digit"
        )
    return name
