"""The API for scripts: Hook, get_hook, modes, and their configuration."""

from container.train.debugger.collection import Collection, CollectionKeys
from container.train.debugger.hook import Hook
from container.train.debugger.modes import ModeKeys as modes  # noqa: N813 - smdebug's name
from container.train.debugger.reduction_config import ReductionConfig
from container.train.debugger.save_config import SaveConfig, SaveConfigMode
from container.train.debugger.singleton import del_hook, get_hook, set_hook

__all__ = [
    "Collection",
    "CollectionKeys",
    "Hook",
    "ReductionConfig",
    "SaveConfig",
    "SaveConfigMode",
    "del_hook",
    "get_hook",
    "modes",
    "set_hook",
]
