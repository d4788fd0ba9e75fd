"""smdebug's modes."""

from enum import Enum


class ModeKeys(Enum):
    """The kind of a step; the values are those in smdebug's files."""

    TRAIN = 1
    EVAL = 2
    PREDICT = 3
    GLOBAL = 4


WITHOUT_GRADIENTS = (ModeKeys.EVAL, ModeKeys.PREDICT)
