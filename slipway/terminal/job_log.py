"""The log of a training job in an image, as the commands show it."""

import re
from collections.abc import Callable

from container.contract.metric_lines import EvaluationLine, read_line
from slipway.terminal.console import say

# Log lines of sagemaker-training itself; a job on this machine has them on its standard error, which is not shown.
_TOOLKIT = re.compile(
    r"sagemaker-training-toolkit|^Returning the value itself$"
    r"|^(ExecuteUserScriptError:|ExitCode |ErrorMessage |Command )"
)


class JobLog:
    """Shows a job's log without the lines of sagemaker-training, and remembers the test result."""

    def __init__(self, show: Callable[[str], None], *, verbose: bool) -> None:
        self._show = show
        self._verbose = verbose
        self._test: EvaluationLine | None = None

    def show(self, line: str) -> None:
        """Take one line."""
        metric = read_line(line)
        if isinstance(metric, EvaluationLine) and metric.phase == "TEST":
            self._test = metric
        if self._verbose or not _TOOLKIT.search(line):
            self._show(line)

    def print_test(self) -> dict[str, float] | None:
        """Print the test accuracy, and return it as JSON values; None if the model was not tested."""
        if self._test is None:
            return None
        test = self._test
        say(f"Test accuracy {test.accuracy:.2f} % ({test.correct} of {test.total} pictures)")
        return {"accuracy": test.accuracy, "correct": test.correct, "total": test.total}
