"""Work that must not end training: its first failure is one warning."""

import logging
from collections.abc import Callable

logger = logging.getLogger(__name__)


class BestEffort:
    """Runs actions until one fails, which is one warning; those after it are skipped.

    Args:
        warning: What cannot be done, and what goes on without it; the error is appended.
        errors: The errors that are expected; others pass through.
        keep_going: Run the actions after a failure too; what fails in them is silent.
    """

    def __init__(self, warning: str, *errors: type[Exception], keep_going: bool = False) -> None:
        self._warning = warning
        self._errors = errors
        self._keep_going = keep_going
        self.over = False
        """Whether an action has failed; set it to skip what follows."""

    def __call__(self, action: Callable[[], object]) -> bool:
        """Run an action; return whether it was run and succeeded."""
        if self.over and not self._keep_going:
            return False
        try:
            action()
        except self._errors as error:
            if not self.over:
                logger.warning("%s: %s: %s", self._warning, type(error).__name__, error)
            self.over = True
            return False
        return True
