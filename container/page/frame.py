"""One HTML file that opens offline: styles, scripts, numbers and pictures are all inside, and it asks for nothing."""

import json
from collections.abc import Mapping
from html import escape
from importlib.resources import files
from typing import Any

Figure = dict[str, Any]
"""plotly's own form: `data` and `layout`. A trace whose `meta` is a number has the colour of that series; colours of
axes, fonts and background are the page's."""

# The browser itself then refuses every request, should a library ever try one.
_POLICY = "default-src 'none'; img-src data: blob:; style-src 'unsafe-inline'; script-src 'unsafe-inline'"


def render_frame(
    *,
    title: str,
    heading: str,
    lead: str,
    navigation: Mapping[str, str],
    body: str,
    figures: Mapping[str, Figure],
    made_by: str,
    styles: str = "",
    related: Mapping[str, str] | None = None,
) -> str:
    """The whole page.

    Args:
        title: Of the browser's tab, escaped here like the other texts.
        heading: The page's first line.
        lead: HTML of the line below it: what was looked at, and when.
        navigation: Titles of the sections by anchor.
        body: HTML of the sections, from `container.page.markup`.
        figures: The charts by the anchor of `markup.chart`.
        made_by: The command, for the last line.
        styles: CSS that this page has beside the shared one.
        related: Titles of other pages by their relative address.
    """
    from plotly.offline import get_plotlyjs

    links = "".join(f'<a href="#{anchor}">{escape(name)}</a>' for anchor, name in navigation.items())
    others = "".join(f'<a href="{escape(address)}">{escape(name)}</a>' for address, name in (related or {}).items())
    assets = files("container.page")
    # "<" is written as an escape, so that no class name can end the script element.
    data = json.dumps(figures, ensure_ascii=False).replace("<", "\\u003c")
    return f"""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="{_POLICY}">
<title>{escape(title)}</title>
<link rel="icon" href="data:,">
<style>{(assets / "page.css").read_text(encoding="utf-8")}{styles}</style>
</head>
<body>
<header>
<h1>{escape(heading)}</h1>
<p class="quiet">{lead}</p>
{f'<nav class="related" aria-label="Other pages">{others}</nav>' if others else ""}
<nav aria-label="Sections">{links}</nav>
</header>
<main>{body}</main>
<footer>Made by <code>{escape(made_by)}</code>. Everything is in this file; it can be sent as it is.</footer>
<script type="application/json" id="page-charts">{data}</script>
<script>{get_plotlyjs()}</script>
<script>{(assets / "page.js").read_text(encoding="utf-8")}</script>
</body>
</html>
"""
