"""What commands print with: plain lines, and progress bars where there is a terminal to draw them on."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import click
from rich.console import Console
from rich.progress import (
    BarColumn,
    DownloadColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeRemainingColumn,
    TransferSpeedColumn,
)

Advance = Callable[[int, int], None]
"""Called with what is done so far, and the whole."""


def say(text: str) -> None:
    """One line on the standard output."""
    click.echo(text)


def complain(text: str) -> None:
    """One paragraph on the standard error."""
    click.echo(f"{click.style('Error:', fg='red', bold=True)} {text}", err=True)


@contextmanager
def progress_bar(description: str) -> Iterator[Advance]:
    """A bar on the standard error while the body runs; nothing at all where that is no terminal."""
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
    """A bar of bytes with a count of files beside it, called with both; nothing where that is no terminal."""
    console = Console(stderr=True)
    if not console.is_terminal:
        yield lambda done, done_bytes: None
        return
    count = TextColumn("{task.description} {task.fields[files]:,}/" + f"{files:,} files")
    columns = (count, BarColumn(), DownloadColumn(), TransferSpeedColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console, transient=True) as bar:
        task = bar.add_task(description, total=size, files=0)
        yield lambda done, done_bytes: bar.update(task, completed=done_bytes, files=done)
