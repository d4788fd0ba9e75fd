"""What a running job shows: a progress bar on a terminal, a line for each evaluation elsewhere."""

from types import TracebackType
from typing import Protocol, Self

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

from container.train.metric_lines import EvaluationLine, TrainLine, read_line

# The list of unreadable pictures can be long; it is in the log and in unreadable.csv.
_QUIET_PREFIXES = ("skipped: ",)
_FAILURE_PREFIX = "train: "


class TrainingView(Protocol):
    """Shows the lines that training prints."""

    def show(self, line: str) -> None:
        """Take one line of the job's output, without its line end."""

    def __enter__(self) -> Self: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...


def training_view(epochs: int, *, verbose: bool, quiet: bool = False) -> TrainingView:
    """The view that fits the terminal.

    Args:
        epochs: How many there will be at the most.
        verbose: Show every line.
        quiet: Show no lines, and on a terminal the bar alone: for one job of many.
    """
    console = Console(highlight=False, soft_wrap=True)
    if console.is_terminal:
        return BarView(console, epochs, verbose=verbose, quiet=quiet)
    return LineView(console, epochs, verbose=verbose, quiet=quiet)


class LineView:
    """Plain lines: one for each epoch, and what training says besides."""

    def __init__(self, console: Console, epochs: int, *, verbose: bool, quiet: bool = False) -> None:
        self.console = console
        self.epochs = epochs
        self.verbose = verbose
        self.quiet = quiet and not verbose
        self.epoch = 0
        self.loss: float | None = None
        self._failed = False

    def show(self, line: str) -> None:
        metric = read_line(line)
        if isinstance(metric, TrainLine):
            self.epoch, self.loss = metric.epoch, metric.loss
            self.step(metric)
        elif isinstance(metric, EvaluationLine):
            self.evaluated(metric)
        if self.verbose or (metric is None and not self.quiet and self._is_note(line)):
            self.console.print(escape(line))

    def step(self, line: TrainLine) -> None:
        """A part of an epoch is done."""

    def evaluated(self, line: EvaluationLine) -> None:
        """An epoch is done, or the test."""
        if line.phase == "EVAL" and not self.verbose and not self.quiet:
            loss = "" if self.loss is None else f"  loss {self.loss:.4f}"
            self.console.print(
                f"epoch {self.epoch}/{self.epochs}{loss}  evaluation loss {line.loss:.4f}  "
                f"accuracy {line.accuracy:.2f} %"
            )

    def _is_note(self, line: str) -> bool:
        # A failure is shown once, at the end, by the command.
        self._failed = self._failed or line.startswith(_FAILURE_PREFIX)
        return bool(line.strip()) and not self._failed and not line.startswith(_QUIET_PREFIXES)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        pass


class BarView(LineView):
    """A bar over all epochs below the lines, with the latest loss and accuracy."""

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
            self.bar.update(self.task, description="tested", total=self.epochs, completed=self.epochs)

    def __enter__(self) -> Self:
        self.bar.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.bar.stop()
