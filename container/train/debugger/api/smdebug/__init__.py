"""smdebug's names for scripts, over container.train.debugger. Trials and rules are smdebug's own, elsewhere."""

from container.train.debugger.modes import ModeKeys as modes  # noqa: N813 - smdebug's name
from container.train.debugger.reduction_config import ReductionConfig
from container.train.debugger.save_config import SaveConfig, SaveConfigMode

__all__ = ["ReductionConfig", "SaveConfig", "SaveConfigMode", "modes"]
