"""Writing what nobody must wait for or fail by."""

import logging
from collections.abc import Callable

logger = logging.getLogger(__name__)


class Writing:
    """Writes until something cannot be written: that is one warning, and nothing is written any more.

    Args:
        what: For people.
    """

    def __init__(self, what: str) -> None:
        self._what = what
        self._over = False

    def end(self) -> None:
        """Nothing is written any more."""
        self._over = True

    def __call__(self, write: Callable[[], object]) -> None:
        if self._over:
            return
        try:
            write()
        except OSError as error:
            self._over = True
            logger.warning("the %s cannot be written: %s; training goes on without it", self._what, error)
