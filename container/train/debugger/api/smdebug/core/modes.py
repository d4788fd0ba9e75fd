"""The modes, where smdebug has them."""

from container.train.debugger.modes import ModeKeys

__all__ = ["ModeKeys"]
