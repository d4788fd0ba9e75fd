"""`slipway data explore`: a folder of pictures as one self-contained HTML page and a short summary.

`scan` reads the files, `findings` judges them, and `page`, `charts` and `thumbnails` draw them.
"""

from slipway.explore.findings import Findings, examine
from slipway.explore.page import render_page
from slipway.explore.scan import Dataset, scan

__all__ = ["Dataset", "Findings", "examine", "render_page", "scan"]
