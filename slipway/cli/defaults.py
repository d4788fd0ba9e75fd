"""Option defaults from slipway.toml."""

import dataclasses
from collections.abc import Mapping
from typing import Any

import click

from slipway.cli.hyperparameter_options import HyperparameterOption
from slipway.errors import SettingsFileError
from slipway.settings import Settings, read_file, unknown

_SHARED = [field.name.replace("_", "-") for field in dataclasses.fields(Settings)]


def defaults_from_file(group: click.Group) -> dict[str, Any]:
    """Build click's default map for a group: a table for each command, and the file's top level for all of them.

    Raises:
        SettingsFileError: The file is damaged, or a key or a table belongs to no command.
    """
    content = read_file()
    shared = {name: value for name, value in content.items() if not isinstance(value, Mapping)}
    tables = {name: value for name, value in content.items() if isinstance(value, Mapping)}
    for name in shared:
        if name not in _SHARED:
            raise unknown(name, _SHARED, "setting")
    return _for_group(group, shared, tables)


def _for_group(group: click.Group, shared: Mapping[str, Any], tables: Mapping[str, Any]) -> dict[str, Any]:
    for name in tables:
        if name not in group.commands:
            raise unknown(name, sorted(group.commands), "command")
    found: dict[str, Any] = {}
    for name, command in group.commands.items():
        table = tables.get(name, {})
        if not isinstance(table, Mapping):
            raise SettingsFileError(f"slipway.toml: {name} is a command; write its options below a line [{name}]")
        if isinstance(command, click.Group):
            found[name] = _for_group(command, shared, table)
        else:
            found[name] = _for_command(command, shared, table)
    return found


def _for_command(command: click.Command, shared: Mapping[str, Any], table: Mapping[str, Any]) -> dict[str, Any]:
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
