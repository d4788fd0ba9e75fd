"""Output of commands: plain lines, tables, and progress bars on terminals."""

import os
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext, redirect_stdout

import click

Advance = Callable[[int, int], None]
"""Called with the amount done so far, and the total."""

# Wider than any table: a row is one line, which the terminal wraps and a pipe does not.
_UNLIMITED = 1_000_000


def colour() -> bool | None:
    """Whether to print colours: never if NO_COLOR is set (no-color.org); None: on terminals."""
    return False if os.environ.get("NO_COLOR") else None


def say(text: str) -> None:
    """Print one line on the standard output."""
    click.echo(text, color=colour())


@contextmanager
def messages_aside(aside: bool) -> Iterator[Callable[[str], None]]:
    """Print messages on the standard error while the body runs, so that the standard output has only the result.

    Args:
        aside: False: messages are printed where they always are.

    Yields:
        Prints a line of the result.
    """
    output = sys.stdout
    with redirect_stdout(sys.stderr) if aside else nullcontext():
        yield lambda text: click.echo(text, file=output)


def say_place(what: str, where: object) -> None:
    """Print where a result is: one word for it, and its path or address."""
    say(f"  {what:<8} {where}")


def complain(text: str) -> None:
    """Print one paragraph on the standard error."""
    click.echo(f"{click.style('Error:', fg='red', bold=True)} {text}", err=True, color=colour())


def say_table(
    rows: Iterable[Sequence[str]],
    titles: Sequence[str] = (),
    *,
    figures: Sequence[int] = (),
    styles: Mapping[str, str] | None = None,
) -> None:
    """Print rows in columns on the standard output, without lines between them.

    Nothing is cut or wrapped, however narrow the terminal is, so that what is printed can be copied and searched.

    Args:
        rows: Cells of plain text.
        titles: Column titles, bold on a terminal.
        figures: Indices of the columns to align to the right.
        styles: rich's style of cells with this text, on a terminal.
    """
    # Only here: importing rich takes longer than most commands' help.
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    looks = styles or {}
    cells = [[Text(cell.expandtabs(), style=looks.get(cell, "")) for cell in row] for row in rows]
    heads = [Text(title) for title in titles] or [Text()] * max(map(len, cells), default=0)
    if not heads:
        return
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), show_header=bool(titles), header_style="bold")
    for column, head in enumerate(heads):
        table.add_column(head, justify="right" if column in figures else "left", vertical="bottom", no_wrap=True)
    for row in cells:
        table.add_row(*row)
    console = Console(width=_UNLIMITED)
    with console.capture() as captured:
        console.print(table)
    for line in captured.get().rstrip("\n").split("\n"):
        say(line.rstrip())


@contextmanager
def progress_bar(description: str) -> Iterator[Advance]:
    """Show a bar on the standard error while the body runs; nothing if that is not a terminal."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    console = Console(stderr=True)
    if not console.is_terminal:
        yield lambda done, total: None
        return
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console, transient=True) as bar:
        task = bar.add_task(description, total=None)
        yield lambda done, total: bar.update(task, completed=done, total=total)


@contextmanager
def transfer_bar(description: str, files: int, size: int) -> Iterator[Advance]:
    """Show a bar of bytes with a count of files beside it; nothing if the standard error is not a terminal."""
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        DownloadColumn,
        Progress,
        TextColumn,
        TimeRemainingColumn,
        TransferSpeedColumn,
    )

    console = Console(stderr=True)
    if not console.is_terminal:
        yield lambda done, done_bytes: None
        return
    count = TextColumn("{task.description} {task.fields[files]:,}/" + f"{files:,} files")
    columns = (count, BarColumn(), DownloadColumn(), TransferSpeedColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console, transient=True) as bar:
        task = bar.add_task(description, total=size, files=0)
        yield lambda done, done_bytes: bar.update(task, completed=done_bytes, files=done)
