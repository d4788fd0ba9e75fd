"""`slipway data explore` and `slipway data clean`: what a folder of pictures holds, and a corrected copy of it.

`scan` reads the files, `findings` judges them, `contents` compares what they show; `page` and its charts draw it all;
`suspects` lists what to correct, and `clean` does it. `bucket` and `parts` stand in for the files of a data set in S3,
which the instances of a processing job have read.
"""

from slipway.explore.contents import Contents, compare, look_at
from slipway.explore.findings import Findings, examine
from slipway.explore.page import render_page
from slipway.explore.scan import Dataset, scan

__all__ = ["Contents", "Dataset", "Findings", "compare", "examine", "look_at", "render_page", "scan"]
