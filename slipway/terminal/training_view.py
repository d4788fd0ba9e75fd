"""Shows a running job: a progress bar on a terminal, a line for each evaluation elsewhere."""

from types import TracebackType
from typing import Protocol, Self

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

from container.contract.metric_lines import EvaluationLine, TrainLine, read_line, read_planned_epochs

# The list of unreadable pictures can be long; it is in the log and in unreadable.csv.
_QUIET_PREFIXES = ("skipped: ",)
_FAILURE_PREFIX = "train: "


class TrainingView(Protocol):
    """Shows the lines that a training job prints."""

    def show(self, line: str) -> None:
        """Show a line of the job's output, given without its newline."""

    def __enter__(self) -> Self: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...


def training_view(epochs: int, *, verbose: bool, quiet: bool = False) -> TrainingView:
    """Choose the view for standard output.

    Args:
        epochs: Most epochs that there will be; what the job says about its budget lowers them.
        verbose: Show every line.
        quiet: Show no lines; on a terminal, only the bar: for one job of many.
    """
    console = Console(highlight=False, soft_wrap=True)
    if console.is_terminal:
        return BarView(console, epochs, verbose=verbose, quiet=quiet)
    return LineView(console, epochs, verbose=verbose, quiet=quiet)


class LineView:
    """Shows plain lines: one for each epoch, and the job's messages."""

    def __init__(self, console: Console, epochs: int, *, verbose: bool, quiet: bool = False) -> None:
        self.console = console
        self.epochs = epochs
        self.verbose = verbose
        self.quiet = quiet and not verbose
        self.epoch = 0
        self.loss = 0.0
        self._failed = False

    def show(self, line: str) -> None:
        metric = read_line(line)
        planned = read_planned_epochs(line)
        if planned is not None:
            self.epochs = planned
        if isinstance(metric, TrainLine):
            self.epoch, self.loss = metric.epoch, metric.loss
            self.step(metric)
        elif isinstance(metric, EvaluationLine):
            self.evaluated(metric)
        if self.verbose or (metric is None and not self.quiet and self._is_note(line)):
            self.console.print(escape(line))

    def step(self, line: TrainLine) -> None:
        """Show progress within an epoch."""

    def evaluated(self, line: EvaluationLine) -> None:
        """Show the evaluation of an epoch, or the test."""
        if line.phase == "EVAL" and not self.verbose and not self.quiet:
            title = f"epoch {self.epoch}/{self.epochs}  loss {self.loss:.4f}" if self.epoch else "linear probe"
            self.console.print(f"{title}  evaluation loss {line.loss:.4f}  accuracy {line.accuracy:.2f} %")

    def _is_note(self, line: str) -> bool:
        # The command shows a failure once, at the end.
        self._failed = self._failed or line.startswith(_FAILURE_PREFIX)
        return bool(line.strip()) and not self._failed and not line.startswith(_QUIET_PREFIXES)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        pass


class BarView(LineView):
    """Shows a bar over all epochs below the lines, with the latest loss and accuracy."""

    def __init__(self, console: Console, epochs: int, *, verbose: bool, quiet: bool = False) -> None:
        super().__init__(console, epochs, verbose=verbose, quiet=quiet)
        self.bar = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            TaskProgressColumn(),
            TextColumn("{task.fields[figures]}"),
            TimeRemainingColumn(),
            console=console,
            transient=True,
        )
        self.task = self.bar.add_task("starting", total=None, figures="")
        self.accuracy = ""

    def step(self, line: TrainLine) -> None:
        self.bar.update(
            self.task,
            description=f"epoch {line.epoch}/{self.epochs}",
            total=self.epochs,
            completed=line.epoch - 1 + line.seen / line.total,
            figures=f"loss {line.loss:.4f}{self.accuracy}",
        )

    def evaluated(self, line: EvaluationLine) -> None:
        super().evaluated(line)
        self.accuracy = f"  accuracy {line.accuracy:.1f} %"
        if line.phase == "TEST":
            self.bar.update(self.task, description="tested", total=1, completed=1)

    def __enter__(self) -> Self:
        self.bar.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.bar.stop()
