"""HTML pages: a frame and macros that all pages share, charts that follow the theme, and a template for each page."""

from container.page.rendering import Figure, render

__all__ = ["Figure", "render"]
