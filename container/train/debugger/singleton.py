"""The one hook of a process, as smdebug keeps it."""

from typing import Any

from container.train.debugger.configuration import is_switched_off
from container.train.debugger.hook import Hook

_hook: Hook | None = None


def get_hook(json_config_path: str | None = None, create_if_not_exists: bool = False) -> Hook | None:
    """The hook, or None; with `create_if_not_exists` made from the configuration. None too under USE_SMDEBUG=0."""
    if is_switched_off():
        return None
    if _hook is None and create_if_not_exists:
        Hook.create_from_json_file(json_config_path)
    return _hook


def set_hook(custom_hook: Any) -> None:
    """Make a hook the one."""
    global _hook
    _hook = custom_hook


def del_hook() -> None:
    """Forget it."""
    set_hook(None)
