"""The option `--json`, and a command's result, which it prints as one JSON object."""

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import click

from slipway.terminal.console import messages_aside, say, say_place

Decorator = Callable[[Callable[..., Any]], Callable[..., Any]]


def json_option(what: str) -> Decorator:
    """The option `--json`.

    Args:
        what: What is printed, for the help.
    """
    return click.option(
        "--json", "as_json", is_flag=True, help=f"Print {what} as JSON; messages go to the standard error."
    )


class Result:
    """What a command has started, found or written: shown in lines, and kept for `--json`."""

    def __init__(self, show: Callable[[str], None] | None) -> None:
        self._show = show
        self._values: dict[str, Any] = {}

    @property
    def as_json(self) -> bool:
        """Whether it will be printed as JSON, so that an address costs a call to AWS only then."""
        return self._show is not None

    def add(self, **values: Any) -> None:
        """Keep values for the JSON object; None is left out."""
        self._values.update({name: value for name, value in values.items() if value is not None})

    def place(self, what: str, where: object, *, several: bool = False) -> None:
        """Print where a part of the result is, and keep it.

        Args:
            what: One word for the part.
            where: Its path or address.
            several: There may be several such parts; JSON has a list of them.
        """
        say_place(what, where)
        if several:
            self._values.setdefault(what, []).append(str(where))
        else:
            self._values[what] = str(where)

    def next(self, *commands: str, between: str = ", and ", purpose: str = "Next") -> None:
        """Print the commands that come next, and keep them."""
        say(f"{purpose}: {between.join(commands)}")
        self._values.setdefault("next", []).extend(commands)

    def print(self) -> None:
        """Print the JSON object, if it is wanted and there is something in it; once."""
        if self._show is not None and self._values:
            self._show(json.dumps(self._values, indent=2, ensure_ascii=False, default=str))
        self._show = None


@contextmanager
def result(as_json: bool) -> Iterator[Result]:
    """Collect a command's result in the body, and print it at the end, however the body ends.

    So what a command has started is printed too where it fails or is interrupted later.

    Args:
        as_json: Print it as JSON; all else that is printed goes to the standard error.
    """
    with messages_aside(as_json) as show:
        found = Result(show if as_json else None)
        try:
            yield found
        finally:
            found.print()
