"""SageMaker's debug hook configuration, and the default without one.

Source: DebugHookConfig in the SageMaker API reference, and the keys of HookParameters and CollectionParameters that
smdebug 1.0.34 reads.
"""

import json
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from container.contract.debugger_defaults import REDUCED, WHOLE, hook_parameters
from container.contract.errors import DebuggerError
from container.contract.paths import MlPaths
from container.train.debugger.modes import ModeKeys
from container.train.debugger.reduction_config import ReductionConfig, flag
from container.train.debugger.save_config import SaveConfig, SaveConfigMode

FILE = "debughookconfig.json"
_FILE_VARIABLE = "SMDEBUG_CONFIG_FILE_PATH"
_SWITCH = "USE_SMDEBUG"
_STEPS = ("save_interval", "save_steps", "start_step", "end_step")


@dataclass(frozen=True, kw_only=True)
class CollectionSettings:
    """One entry of CollectionConfigurations."""

    name: str
    include_regex: tuple[str, ...]
    save_config: SaveConfig | None
    reduction_config: ReductionConfig | None
    save_histogram: bool


@dataclass(frozen=True, kw_only=True)
class HookSettings:
    """A whole configuration."""

    out_dir: Path
    save_config: SaveConfig
    reduction_config: ReductionConfig | None = None
    include_regex: tuple[str, ...] = ()
    save_all: bool = False
    include_workers: str = "one"
    tensorboard_dir: Path | None = None
    collections: tuple[CollectionSettings, ...] | None = None
    """The collections to save; None: losses only, smdebug's default."""
    unknown: tuple[str, ...] = field(default=())
    """Sentences about the parts that are ignored."""


def is_switched_off() -> bool:
    """Whether USE_SMDEBUG, smdebug's own variable, switches the hook off."""
    return os.environ.get(_SWITCH, "true").strip().lower() in ("0", "false", "no", "off", "n", "f")


def configuration_file(paths: MlPaths) -> Path:
    """Return the file that SageMaker writes the configuration to, or SMDEBUG_CONFIG_FILE_PATH."""
    return Path(os.environ.get(_FILE_VARIABLE) or paths.config / FILE)


def default_settings(paths: MlPaths, *, steps: int | None = None) -> HookSettings:
    """Return the settings of `debug=true`.

    Args:
        paths: The job's directories.
        steps: Steps of the whole job, if known.
    """
    parameters = {**WHOLE, **REDUCED}
    entries = [{"CollectionName": name, "CollectionParameters": one} for name, one in parameters.items()]
    return parse({"HookParameters": hook_parameters(steps), "CollectionConfigurations": entries}, paths)


def read_settings(file: Path, paths: MlPaths) -> HookSettings:
    """Read a configuration file.

    Raises:
        FileNotFoundError: There is none.
        DebuggerError: The configuration is invalid; the message names the field.
    """
    try:
        content = json.loads(file.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise
    except (OSError, ValueError) as error:
        raise DebuggerError(f"the debug hook configuration {file} cannot be read as JSON: {error}") from error
    try:
        return parse(content, paths)
    except DebuggerError as error:
        raise DebuggerError(f"the debug hook configuration {file}: {error}") from error


def parse(content: object, paths: MlPaths) -> HookSettings:
    """Check a configuration.

    Raises:
        DebuggerError: A field is wrong.
    """
    if not isinstance(content, Mapping):
        raise DebuggerError("it is not a JSON object")
    hook = _parameters("HookParameters", content.get("HookParameters"))
    base = _modes(hook, {})
    entries = content.get("CollectionConfigurations")
    if entries is not None and not isinstance(entries, list):
        raise DebuggerError("CollectionConfigurations is not a list")
    found, unknown = [], []
    for entry in entries or ():
        if not isinstance(entry, Mapping) or not entry.get("CollectionName"):
            raise DebuggerError("an entry of CollectionConfigurations has no CollectionName")
        collection = _collection(entry, base)
        if not collection.include_regex and collection.name not in _known():
            unknown.append(
                f"there is no collection {collection.name}, and its configuration has no include_regex to select its "
                f"tensors; it is ignored. Known without one: {', '.join(_known())}"
            )
            continue
        found.append(collection)
    board = _text(hook.get("tensorboard_dir"))
    out_dir = Path(str(content.get("LocalPath") or paths.tensors))
    if not board and flag("export_tensorboard", hook.get("export_tensorboard", False)):
        board = str(out_dir / "tensorboard")
    workers = str(hook.get("include_workers", "one"))
    if workers not in ("one", "all"):
        raise DebuggerError(f"include_workers is {workers!r}; it must be one or all")
    return HookSettings(
        out_dir=out_dir,
        save_config=_save_config(base),
        reduction_config=ReductionConfig.from_dict(hook) if "reductions" in hook else None,
        include_regex=_list("include_regex", hook.get("include_regex"), check=True),
        save_all=flag("save_all", hook.get("save_all", False)),
        include_workers=workers,
        tensorboard_dir=Path(board) if board else None,
        collections=None if entries is None else tuple(found),
        unknown=tuple(unknown),
    )


def _known() -> list[str]:
    from container.train.debugger.collection import DEFAULTS

    return list(DEFAULTS)


def _collection(entry: Mapping[str, Any], base: Mapping[ModeKeys, Mapping[str, object]]) -> CollectionSettings:
    name = str(entry["CollectionName"])
    try:
        parameters = _parameters("CollectionParameters", entry.get("CollectionParameters"))
        return CollectionSettings(
            name=name,
            include_regex=_list("include_regex", parameters.get("include_regex"), check=True),
            save_config=_save_config(_modes(parameters, base)),
            reduction_config=ReductionConfig.from_dict(parameters) if "reductions" in parameters else None,
            save_histogram=flag("save_histogram", parameters.get("save_histogram", True)),
        )
    except DebuggerError as error:
        raise DebuggerError(f"collection {name}: {error}") from error


def _parameters(name: str, value: object) -> Mapping[str, Any]:
    if value is None:
        return {}
    if not isinstance(value, Mapping):
        raise DebuggerError(f"{name} is not a JSON object")
    return value


def _modes(
    parameters: Mapping[str, object], base: Mapping[ModeKeys, Mapping[str, object]]
) -> dict[ModeKeys, dict[str, object]]:
    """Collect each mode's values, as smdebug does: those for the mode, else for all modes, else the hook's."""
    everywhere = {name: parameters[name] for name in _STEPS if name in parameters}
    found = {}
    for mode in ModeKeys:
        prefix = f"{mode.name.lower()}."
        own = {name: parameters[prefix + name] for name in _STEPS if prefix + name in parameters}
        found[mode] = {**base.get(mode, {}), **everywhere, **own}
    return found


def _save_config(modes: Mapping[ModeKeys, Mapping[str, object]]) -> SaveConfig:
    configs: dict[ModeKeys, SaveConfigMode | None] = {}
    for mode, values in modes.items():
        given: dict[str, Any] = dict(values)
        if "save_steps" in given:
            given["save_steps"] = list(_list("save_steps", given["save_steps"]))
        configs[mode] = SaveConfigMode(**given)
    return SaveConfig(configs)


def _list(name: str, value: object, *, check: bool = False) -> tuple[str, ...]:
    parts = tuple(part.strip() for part in str(value or "").split(",") if part.strip())
    for part in parts if check else ():
        try:
            re.compile(part)
        except re.error as error:
            raise DebuggerError(f"{name} has {part!r}, which is not a regular expression: {error}") from error
    return parts


def _text(value: object) -> str:
    return str(value) if value else ""
