"""The page of `slipway data explore`.

explore.html in `container.page` is its template; this module computes what the template shows.
"""

import itertools
from collections import Counter
from collections.abc import Callable, Sequence
from datetime import datetime
from statistics import median

from container.page import render
from slipway.explore.charts import class_chart, size_chart
from slipway.explore.contents import Contents
from slipway.explore.findings import Findings
from slipway.explore.label_check import LEAST_ACCURACY
from slipway.explore.picture_map import draw_map
from slipway.explore.scan import Dataset, Picture
from slipway.explore.thumbnails import choose_samples, thumbnails

_MOST_FILES = 1_000
"""Rows in a list of files; the rest is counted."""

_MOST_GROUPS = 100
"""Groups of duplicates on the page; the rest is counted."""

_MOST_SUSPECTS = 60
"""Pairs, wrong labels and outliers on the page, of each; all are in the list of suspects."""

_IGNORED = "its name does not end as a picture's does; training ignores it"
_BESIDE = "it lies beside the class folders; training ignores it"
_UNNAMED = "the manifest does not name it; training ignores it"
_LOOP = "a link to a folder that contains it; it is not followed"


def render_page(
    dataset: Dataset,
    findings: Findings,
    contents: Contents,
    fetch: Callable[[Sequence[Picture]], None] = lambda _: None,
) -> str:
    """Render the page; reads the sample pictures again to shrink them.

    Args:
        dataset: From `scan`.
        findings: From `examine`.
        contents: From `look_at`.
        fetch: Called with pictures before their files are read.

    Raises:
        PictureError: A picture has changed since it was scanned.
    """
    figures = {"class-chart": class_chart(dataset, findings)}
    if (sizes := size_chart(dataset)) is not None:
        figures["size-chart"] = sizes
    if (picture_map := draw_map(dataset, contents.features, fetch)) is not None:
        figures["map-chart"] = picture_map.chart
    pairs, wrong = contents.pairs[:_MOST_SUSPECTS], contents.wrong_labels[:_MOST_SUSPECTS]
    outliers = contents.outliers[:_MOST_SUSPECTS]
    suspects = [
        *(picture for pair in pairs for picture in pair.pictures),
        *(each.picture for each in wrong),
        *(each.like for each in wrong if each.like),
        *(each.picture for each in outliers),
    ]
    samples = choose_samples(dataset, findings.labels)
    groups = findings.duplicates[:_MOST_GROUPS]
    shown = [*itertools.chain(*samples.values()), *(group.pictures[0] for group in groups), *suspects]
    fetch(shown)
    return render(
        "explore.html",
        figures,
        name=dataset.place.rstrip("/").rpartition("/")[2],
        root=dataset.place,
        read=f"{datetime.now():%Y-%m-%d %H:%M}",
        dataset=dataset,
        findings=findings,
        notes=[
            (remark.level, remark.level.title(), remark.text) for remark in (*findings.remarks, *contents.remarks())
        ],
        counts=_counts(dataset, findings),
        sizes=_sizes(dataset),
        formats=_formats(dataset),
        left_out=_left_out(dataset),
        most_files=_MOST_FILES,
        groups=groups,
        samples=samples,
        totals=Counter(picture.label for picture in dataset.pictures),
        absent=len({label for of_split in dataset.classes.values() for label in of_split}) - len(samples),
        addresses=thumbnails(shown),
        contents=contents,
        pairs=pairs,
        wrong_labels=wrong,
        outliers=outliers,
        picture_map=picture_map,
        overlaps=[[*each.labels, f"{each.mistaken:,}", f"{100 * each.share:.1f}"] for each in contents.overlaps],
        least_accuracy=LEAST_ACCURACY,
    )


def _counts(dataset: Dataset, findings: Findings) -> list[list[str | int]]:
    """Count the pictures of each class, and of all classes, by split."""
    counts = [findings.counts[split] for split in dataset.splits]
    rows: list[list[str | int]] = [[label, *(of_split[label] for of_split in counts)] for label in findings.labels]
    return [*rows, ["all", *(f"{sum(of_split.values()):,}" for of_split in counts)]]


def _sizes(dataset: Dataset) -> list[list[str]]:
    """Tabulate smallest, median and largest width, height and file."""
    sides = {
        "width, pixels": [picture.width for picture in dataset.pictures],
        "height, pixels": [picture.height for picture in dataset.pictures],
        "file, kB": [max(1, round(picture.file_bytes / 1000)) for picture in dataset.pictures],
    }
    return [
        [name, f"{min(values):,}", f"{median(values):,.0f}", f"{max(values):,}"]
        for name, values in sides.items()
        if values
    ]


def _formats(dataset: Dataset) -> list[list[str]]:
    """Count file and pixel formats, the most frequent first."""
    counted = Counter((picture.format, picture.mode) for picture in dataset.pictures)
    return [
        [name, mode, f"{count:,}", f"{100 * count / len(dataset.pictures):.1f} %"]
        for (name, mode), count in counted.most_common()
    ]


def _left_out(dataset: Dataset) -> list[list[str]]:
    """List the files that training skips, and why."""
    rows = [[dataset.relative(entry), entry.reason] for entry in dataset.unreadable]
    for entries, reason in (
        (dataset.ignored, _IGNORED),
        (dataset.beside, _BESIDE),
        (dataset.unnamed, _UNNAMED),
        (dataset.loops, _LOOP),
    ):
        rows += [[dataset.relative(entry), reason] for entry in entries]
    return rows
