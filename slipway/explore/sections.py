"""The sections of the page, one function each."""

from collections import Counter
from collections.abc import Mapping, Sequence
from html import escape
from pathlib import Path
from statistics import median

from container.page.markup import chart, details, image, legend, path, scrolling, section, table, tiles
from slipway.explore.findings import DuplicateGroup, Findings, Imbalance
from slipway.explore.scan import Dataset, Picture

MOST_FILES = 1_000
"""Rows of a list of files; the rest is counted."""

MOST_GROUPS = 100
"""Groups of duplicates that are shown."""

_IGNORED = "its name has no picture's ending; training does not look at it"

_LEVELS = {"problem": "Problem", "notice": "Notice", "good": "Good"}


def overview(dataset: Dataset, findings: Findings) -> str:
    """The figures and the remarks."""
    remarks = "".join(
        f'<li class="{remark.level}"><b>{_LEVELS[remark.level]}</b><span>{escape(remark.text)}</span></li>'
        for remark in findings.remarks
    )
    figures = tiles(
        [
            ("pictures", f"{len(dataset.pictures):,}"),
            ("classes", f"{len(findings.labels):,}"),
            ("unreadable files", f"{len(dataset.unreadable):,}"),
            ("in several splits", f"{sum(group.leaks for group in findings.duplicates):,}"),
        ]
    )
    return f'{figures}<ul class="remarks" aria-label="Findings">{remarks}</ul>'


def classes(dataset: Dataset, findings: Findings) -> str:
    """Pictures of each class and split."""
    ratios = "".join(f"<li>{escape(split)}: {_ratio(found)}</li>" for split, found in findings.imbalance.items())
    rows = [
        [escape(label), *(_count(findings.counts[split][label]) for split in dataset.splits)]
        for label in findings.labels
    ]
    total = ["all", *(f"{sum(findings.counts[split].values()):,}" for split in dataset.splits)]
    return section(
        "classes",
        "Pictures per class",
        f'<p class="quiet">Largest class to smallest, of those that have pictures:</p><ul>{ratios}</ul>'
        if ratios
        else "",
        legend(dataset.splits),
        chart("class-chart", "Bars: pictures of each class and split. The table below holds the same numbers."),
        details(
            "The numbers as a table",
            table(
                ["class", *dataset.splits],
                [*rows, total],
                numbers=range(1, len(dataset.splits) + 1),
                name="Pictures per class and split",
            ),
        ),
    )


def _ratio(found: Imbalance) -> str:
    if found.most == found.fewest:
        return f"even, {found.most:,} pictures of each class"
    largest, smallest = escape(found.largest), escape(found.smallest)
    return f"{found.ratio:.1f} : 1, from {found.most:,} ({largest}) to {found.fewest:,} ({smallest})"


def _count(count: int) -> str:
    return f"{count:,}" if count else '<span class="zero">0</span>'


def sizes(dataset: Dataset, *, charted: bool) -> str:
    """Widths and heights; `charted` when they differ and a chart is drawn."""
    if not dataset.pictures:
        return section("sizes", "Sizes", "<p>No picture could be read.</p>")
    if not charted:
        first = dataset.pictures[0]
        sentence = f"All {len(dataset.pictures):,} pictures are {first.width} x {first.height} pixels."
        return section("sizes", "Sizes", f"<p>{sentence}</p>")
    sides = {
        "width, pixels": [picture.width for picture in dataset.pictures],
        "height, pixels": [picture.height for picture in dataset.pictures],
        "file, kB": [max(1, round(picture.file_bytes / 1000)) for picture in dataset.pictures],
    }
    rows = [[name, f"{min(values):,}", f"{median(values):,.0f}", f"{max(values):,}"] for name, values in sides.items()]
    return section(
        "sizes",
        "Sizes",
        legend(dataset.splits),
        chart("size-chart", "Points: width against height, larger where more pictures have that size."),
        table(["", "smallest", "median", "largest"], rows, numbers=(1, 2, 3), name="Sizes"),
    )


def formats(dataset: Dataset) -> str:
    """File formats and pixel formats."""
    counted = Counter((picture.format, picture.mode) for picture in dataset.pictures)
    rows = [
        [escape(name), escape(mode), f"{count:,}", f"{100 * count / len(dataset.pictures):.1f} %"]
        for (name, mode), count in counted.most_common()
    ]
    return section(
        "formats",
        "Formats",
        table(["format", "pixels", "pictures", "share"], rows, numbers=(2, 3), name="Formats"),
        '<p class="quiet">Training and serving turn all of them into upright 8-bit RGB.</p>',
    )


def unreadable(dataset: Dataset) -> str:
    """The files that are no pictures, and why."""
    if not dataset.unreadable and not dataset.ignored:
        return section("unreadable", "Unreadable files", "<p>None.</p>")
    rows = [[path(dataset.relative(entry)), escape(entry.reason)] for entry in dataset.unreadable[:MOST_FILES]]
    rows += [[path(dataset.relative(entry)), _IGNORED] for entry in dataset.ignored[: MOST_FILES - len(rows)]]
    return section(
        "unreadable",
        "Unreadable files",
        table(["file", "reason"], rows, name="Unreadable files", stacks=True),
        _more(len(dataset.unreadable) + len(dataset.ignored) - MOST_FILES, "files"),
    )


def duplicates(dataset: Dataset, findings: Findings, addresses: Mapping[Path, str]) -> str:
    """The groups of equal pictures."""
    method = (
        '<p class="quiet">Two files are called equal when their decoded pixels are, whatever the file name, '
        "metadata or lossless format. A picture that was scaled or compressed anew is not found.</p>"
    )
    if not findings.duplicates:
        return section("duplicates", "Duplicates", "<p>None.</p>", method)
    groups = "".join(_group(dataset, group, addresses) for group in findings.duplicates[:MOST_GROUPS])
    return section(
        "duplicates",
        "Duplicates",
        method,
        scrolling(f'<ul class="files">{groups}</ul>', "Duplicates"),
        _more(len(findings.duplicates) - MOST_GROUPS, "groups"),
    )


def _group(dataset: Dataset, group: DuplicateGroup, addresses: Mapping[Path, str]) -> str:
    facts = []
    if group.leaks:
        facts.append(f'<b class="problem">In {len(group.splits)} splits: {escape(", ".join(group.splits))}</b>')
    if group.contradicts:
        facts.append(f'<b class="problem">In {len(group.labels)} classes: {escape(", ".join(group.labels))}</b>')
    if not facts:
        facts.append(f"<b>{len(group.pictures)} times in {escape(group.splits[0])}</b>")
    facts.append("the files are equal" if group.same_bytes else "equal pixels in different files")
    first = group.pictures[0]
    names = [dataset.relative(picture) for picture in group.pictures]
    files = "".join(f"<li>{path(name)}</li>" for name in names[:10])
    return (
        f"<li>{image(addresses[first.path], f'The picture {names[0]}')}"
        f"<div>{'; '.join(facts)}<ul>{files}</ul>{_more(len(names) - 10, 'files')}</div></li>"
    )


def samples(dataset: Dataset, chosen: Mapping[str, Sequence[Picture]], addresses: Mapping[Path, str]) -> str:
    """Some pictures of every class."""
    totals = Counter(picture.label for picture in dataset.pictures)
    cards = "".join(
        f"<article><header><h3>{escape(label)}</h3>"
        f'<span class="quiet">{totals[label]:,} {"picture" if totals[label] == 1 else "pictures"}</span></header>'
        f'<div class="pictures">{_images(dataset, pictures, addresses)}</div></article>'
        for label, pictures in chosen.items()
    )
    absent = len({label for of_split in dataset.classes.values() for label in of_split}) - len(chosen)
    return section("samples", "Samples", f'<div class="samples">{cards}</div>', _more(absent, "classes"))


def _images(dataset: Dataset, pictures: Sequence[Picture], addresses: Mapping[Path, str]) -> str:
    return "".join(
        image(addresses[picture.path], f"{picture.label}: {dataset.relative(picture)}") for picture in pictures
    )


def _more(count: int, what: str) -> str:
    return f'<p class="quiet">… and {count:,} more {what}.</p>' if count > 0 else ""
