"""`slipway compare`: jobs that differ in one thing, such as the architecture, and their results.

`variants` lists what to train, `here` and `remote` train it, `result` reads what a finished job left, `comparison`
compares the results, and `table`, `charts` and `page` show them.
"""

from slipway.compare.comparison import Comparison, compare
from slipway.compare.result import Result, read_job
from slipway.compare.variants import Variant, make_variants, parse_choices

__all__ = ["Comparison", "Result", "Variant", "compare", "make_variants", "parse_choices", "read_job"]
