"""The one hook of a process, as in smdebug."""

from typing import Any

from container.train.debugger.configuration import is_switched_off
from container.train.debugger.hook import Hook


def get_hook(json_config_path: str | None = None, create_if_not_exists: bool = False) -> Hook | None:
    """Return the hook, new from the configuration if asked for; None without one, and under USE_SMDEBUG=0."""
    if is_switched_off():
        return None
    if Hook.current is None and create_if_not_exists:
        Hook.create_from_json_file(json_config_path)
    return Hook.current


def set_hook(custom_hook: Any) -> None:
    """Set the process's hook."""
    Hook.current = custom_hook


def del_hook() -> None:
    """Forget the process's hook."""
    set_hook(None)
