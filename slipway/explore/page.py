"""One HTML file that opens offline: styles, scripts, numbers and pictures are all inside, and it asks for nothing."""

import json
from datetime import datetime
from html import escape
from importlib.resources import files

from slipway.explore import sections
from slipway.explore.charts import class_chart, size_chart
from slipway.explore.findings import Findings
from slipway.explore.scan import Dataset
from slipway.explore.thumbnails import choose_samples, thumbnails

# The browser itself then refuses every request, should a library ever try one.
_POLICY = "default-src 'none'; img-src data: blob:; style-src 'unsafe-inline'; script-src 'unsafe-inline'"

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
    from plotly.offline import get_plotlyjs

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
    links = "".join(f'<a href="#{anchor}">{title}</a>' for anchor, title in _NAVIGATION.items())
    name = escape(str(dataset.root))
    assets = files("slipway.explore")
    # "<" is written as an escape, so that no class name can end the script element.
    figures = json.dumps(charts, ensure_ascii=False).replace("<", "\\u003c")
    return f"""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="{_POLICY}">
<title>{escape(dataset.root.name)}: what the data holds</title>
<link rel="icon" href="data:,">
<style>{(assets / "page.css").read_text(encoding="utf-8")}</style>
</head>
<body>
<header>
<h1>What the data holds</h1>
<p class="quiet"><span class="path">{name}</span>, read {datetime.now():%Y-%m-%d %H:%M}</p>
<nav aria-label="Sections">{links}</nav>
</header>
<main>{body}</main>
<footer>Made by <code>slipway data explore</code>. Everything is in this file; it can be sent as it is.</footer>
<script type="application/json" id="figures">{figures}</script>
<script>{get_plotlyjs()}</script>
<script>{(assets / "page.js").read_text(encoding="utf-8")}</script>
</body>
</html>
"""
