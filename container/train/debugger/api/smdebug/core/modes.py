"""smdebug's place of the modes."""

from container.train.debugger.modes import ModeKeys

__all__ = ["ModeKeys"]
