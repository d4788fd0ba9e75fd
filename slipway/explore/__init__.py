"""`slipway data explore`: what a folder of pictures holds, as one self-contained HTML page and a short summary.

`scan` reads the files, `findings` judges what was read, `page` and its neighbours draw it.
"""

from slipway.explore.findings import Findings, examine
from slipway.explore.page import render_page
from slipway.explore.scan import Dataset, scan

__all__ = ["Dataset", "Findings", "examine", "render_page", "scan"]
