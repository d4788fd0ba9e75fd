"""The frame of the pages that Slipway writes: one self-contained HTML file, one look, charts that follow the theme.

`markup` has the pieces of HTML that a page is put together from, `frame` the whole file around them.
"""

from container.page.frame import Figure, render_frame

__all__ = ["Figure", "render_frame"]
