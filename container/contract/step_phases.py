"""The phases of a training step, in the order in which the profiler's files and charts have them."""

from typing import Literal, get_args

Phase = Literal["data", "copy", "forward", "backward", "optimizer", "debugger"]

PHASES: tuple[Phase, ...] = get_args(Phase)
