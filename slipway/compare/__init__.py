"""`slipway compare`: the same job with one thing changed, such as the architecture, and what came of it.

`variants` says what is tried, `here` and `remote` run it, `result` reads what a finished job left, `comparison`
judges the results together, and `table`, `charts` and `page` show them.
"""

from slipway.compare.comparison import Comparison, compare
from slipway.compare.result import Result, read_job
from slipway.compare.variants import Variant, make_variants, parse_choices

__all__ = ["Comparison", "Result", "Variant", "compare", "make_variants", "parse_choices", "read_job"]
