"""Samples of several series at the same moments."""

from collections.abc import Sequence

import numpy as np

from container.report.profile_record import Column, Profile, Series

LEAST = 10
"""Samples below which a percentile says nothing."""

SKIPPED = "SageMaker's rule waits for 1,000 samples; here the time from the first step on is looked at"


def nodes(series: Sequence[Series]) -> list[str]:
    """The hosts, in order."""
    return sorted({each.node for each in series})


def on_clock(series: Series, clock: Column) -> Column:
    """The newest value at each moment of a clock; the first where there is none yet."""
    index = np.searchsorted(series.times, clock, side="right") - 1
    return series.values[np.maximum(index, 0)]


def together(series: Sequence[Series]) -> tuple[Column, Column]:
    """The first series' times, and a row of values for each series.

    Args:
        series: Of one host, none of them empty.
    """
    clock = series[0].times
    return clock, np.stack([on_clock(each, clock) for each in series])


def minutes(profile: Profile, times: Column) -> Column:
    """Since the job started."""
    return (times - profile.started) / 60


def pooled(series: Sequence[Series]) -> Column:
    """All values."""
    return np.concatenate([each.values for each in series]) if series else np.zeros(0)


def percent(values: Column, quantile: float) -> float:
    """A percentile, from 0 to 100."""
    return float(np.percentile(values, quantile))
