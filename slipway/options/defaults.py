"""Option defaults from slipway.toml."""

import dataclasses
from collections.abc import Collection, Mapping
from typing import Any

import click

from slipway.errors import SettingsFileError
from slipway.settings.slipway_toml import Settings, read_file, unknown

_SHARED = [field.name.replace("_", "-") for field in dataclasses.fields(Settings)]


def defaults_from_file(context: click.Context) -> dict[str, Any]:
    """Build click's default map for the command that is invoked: its table, and the file's top level.

    The other commands that have a table are checked too; commands without one are not imported.

    Args:
        context: Of the group of all commands.

    Raises:
        SettingsFileError: The file is damaged, or a key or a table belongs to no command.
    """
    content = read_file()
    if not content:
        return {}
    shared = {name: value for name, value in content.items() if not isinstance(value, Mapping)}
    tables = {name: value for name, value in content.items() if isinstance(value, Mapping)}
    for name in shared:
        if name not in _SHARED:
            raise unknown(name, _SHARED, "setting")
    invoked = context.invoked_subcommand
    return _for_group(context, context.command, shared, tables, {*tables, *([invoked] if invoked else [])})


def _for_group(
    context: click.Context,
    group: click.Command,
    shared: Mapping[str, Any],
    tables: Mapping[str, Any],
    names: Collection[str],
) -> dict[str, Any]:
    assert isinstance(group, click.Group)
    known = group.list_commands(context)
    for name in tables:
        if name not in known:
            raise unknown(name, known, "command")
    found: dict[str, Any] = {}
    for name in names:
        command, table = group.get_command(context, name), tables.get(name, {})
        if not isinstance(table, Mapping):
            raise SettingsFileError(f"slipway.toml: {name} is a command; write its options below a line [{name}]")
        if isinstance(command, click.Group):
            found[name] = _for_group(context, command, shared, table, command.list_commands(context))
        elif command is not None:
            found[name] = _for_command(command, shared, table)
    return found


def _for_command(command: click.Command, shared: Mapping[str, Any], table: Mapping[str, Any]) -> dict[str, Any]:
    from slipway.options.hyperparameters import HyperparameterOption

    options = {
        option.lstrip("-"): parameter.name
        for parameter in command.params
        if isinstance(parameter, click.Option)
        for option in parameter.opts
        if option.startswith("--")
    }
    hyperparameters = {parameter.name for parameter in command.params if isinstance(parameter, HyperparameterOption)}
    for name in table:
        if name not in options:
            raise unknown(name, sorted(options), f"option of {command.name}")
    # A hyperparameter that has a shared setting's name means something else.
    takes = {name for name, option in options.items() if option not in hyperparameters}
    merged = {**{name: value for name, value in shared.items() if name in takes}, **table}
    return {options[name]: _as_typed(value) for name, value in merged.items() if options[name]}


def _as_typed(value: Any) -> Any:
    """A value as it would be on the command line; a list is for a repeatable option."""
    if isinstance(value, bool):
        return str(value).lower()
    return [_as_typed(item) for item in value] if isinstance(value, list) else str(value)
