"""A group whose commands are imported when they are asked for, so that none waits for the others' imports."""

from collections.abc import Mapping
from importlib import import_module
from typing import Any

import click


class LazyGroup(click.Group):
    """A group of commands in modules of their own.

    Args:
        commands_in: Package with a folder for each command, in whose module `command` it has the folder's name.
        short_helps: Help in one line of each command, by its name.
        arguments: As for `click.Group`.
    """

    def __init__(self, *arguments: Any, commands_in: str, short_helps: Mapping[str, str], **named: Any) -> None:
        super().__init__(*arguments, **named)
        self._package = commands_in
        self._short_helps = short_helps

    def list_commands(self, ctx: click.Context) -> list[str]:
        """The names of all commands, sorted."""
        return sorted(self._short_helps)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import a command; None if there is none of that name."""
        if cmd_name not in self._short_helps:
            return None
        command: click.Command = getattr(import_module(f"{self._package}.{cmd_name}.command"), cmd_name)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the commands with their help in one line, without importing them."""
        with formatter.section("Commands"):
            formatter.write_dl(sorted(self._short_helps.items()))
