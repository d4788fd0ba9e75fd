"""The page of `slipway data explore`: its sections and charts in the shared frame."""

from datetime import datetime
from importlib.resources import files

from container.page import render_frame
from container.page.markup import path
from slipway.explore import sections
from slipway.explore.charts import class_chart, size_chart
from slipway.explore.findings import Findings
from slipway.explore.scan import Dataset
from slipway.explore.thumbnails import choose_samples, thumbnails

_NAVIGATION = {
    "classes": "Pictures per class",
    "sizes": "Sizes",
    "formats": "Formats",
    "unreadable": "Unreadable files",
    "duplicates": "Duplicates",
    "samples": "Samples",
}


def render_page(dataset: Dataset, findings: Findings) -> str:
    """The whole page; reads the sample pictures again to shrink them.

    Raises:
        PictureError: A picture has changed since it was scanned.
    """
    charts = {"class-chart": class_chart(dataset, findings)}
    if (sizes := size_chart(dataset)) is not None:
        charts["size-chart"] = sizes
    chosen = choose_samples(dataset, findings.labels)
    repeated = [group.pictures[0] for group in findings.duplicates[: sections.MOST_GROUPS]]
    addresses = thumbnails({**chosen, "": repeated})
    body = "".join(
        [
            sections.overview(dataset, findings),
            sections.classes(dataset, findings),
            sections.sizes(dataset, charted=sizes is not None),
            sections.formats(dataset),
            sections.unreadable(dataset),
            sections.duplicates(dataset, findings, addresses),
            sections.samples(dataset, chosen, addresses),
        ]
    )
    return render_frame(
        title=f"{dataset.root.name}: what the data holds",
        heading="What the data holds",
        lead=f"{path(str(dataset.root))}, read {datetime.now():%Y-%m-%d %H:%M}",
        navigation=_NAVIGATION,
        body=body,
        figures=charts,
        made_by="slipway data explore",
        styles=(files("slipway.explore") / "samples.css").read_text(encoding="utf-8"),
    )
