"""The few pieces of HTML that the sections are put together from; everything that comes from a file is escaped."""

from collections.abc import Iterable, Sequence
from html import escape

SERIES = 6
"""Colours for series that page.css has; a seventh series has the first one's."""


def table(
    head: Sequence[str], rows: Iterable[Sequence[str]], *, numbers: Sequence[int] = (), name: str, stacks: bool = False
) -> str:
    """A table that scrolls within the page where it is too large.

    Args:
        head: Column titles, escaped here; empty where a column speaks for itself.
        rows: Cells, which are HTML already; the first of a row is its heading.
        numbers: Columns set flush right.
        name: What screen readers call it.
        stacks: On a phone, set a row's cells below one another: for long texts.
    """

    def cell(tag: str, column: int, content: str, scope: str = "") -> str:
        number = ' class="number"' if column in numbers else ""
        return f"<{tag}{scope}{number}>{content}</{tag}>"

    titles = "".join(
        cell("th", column, escape(title), ' scope="col"') if title else "<td></td>" for column, title in enumerate(head)
    )
    body = "".join(
        "<tr>"
        + cell("th", 0, row[0], ' scope="row"')
        + "".join(cell("td", column, content) for column, content in enumerate(row[1:], start=1))
        + "</tr>"
        for row in rows
    )
    style = ' class="stacks"' if stacks else ""
    return scrolling(f"<table{style}><thead><tr>{titles}</tr></thead><tbody>{body}</tbody></table>", name)


def scrolling(content: str, name: str) -> str:
    """Content in a box of its own that scrolls, with the keyboard too, where it is too large for the page."""
    return f'<div class="scrolls" tabindex="0" role="region" aria-label="{escape(name)}">{content}</div>'


def section(anchor: str, title: str, *content: str) -> str:
    """A part of the page that the navigation leads to."""
    return f'<section id="{anchor}"><h2>{escape(title)}</h2>{"".join(content)}</section>'


def chart(anchor: str, description: str) -> str:
    """The place that page.js draws a chart into; the description stands for it where it cannot be seen."""
    drawn = f'<div class="chart" id="{anchor}" role="img" aria-label="{escape(description)}"></div>'
    return scrolling(drawn, anchor.replace("-", " "))


def legend(series: Sequence[str]) -> str:
    """The colours of the series; stays in sight where a long chart scrolls. Nothing for a single one."""
    if len(series) < 2:
        return ""
    items = "".join(f'<li class="series-{number % SERIES}">{escape(name)}</li>' for number, name in enumerate(series))
    return f'<ul class="legend">{items}</ul>'


def details(title: str, content: str) -> str:
    """Content that is folded away at first."""
    return f"<details><summary>{escape(title)}</summary>{content}</details>"


def tiles(figures: Iterable[tuple[str, str]]) -> str:
    """Names with one number each."""
    items = "".join(f"<div><dt>{escape(name)}</dt><dd>{escape(value)}</dd></div>" for name, value in figures)
    return f'<dl class="tiles">{items}</dl>'


def image(address: str, alternative: str) -> str:
    """A picture; the text tells what it is to those who do not see it."""
    return f'<img src="{address}" alt="{escape(alternative)}" title="{escape(alternative)}">'


def path(name: str) -> str:
    """A file's path."""
    return f'<span class="path">{escape(name)}</span>'
