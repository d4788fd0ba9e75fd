"""Helpers for samples of several series."""

from collections.abc import Sequence

import numpy as np

from container.report.profile_record import Column, Profile, Series

LEAST = 10
"""Number of samples below which a percentile means nothing."""

SKIPPED = "SageMaker's rule waits for 1,000 samples; this one counts from the first step"


def nodes(series: Sequence[Series]) -> list[str]:
    """List the hosts of some series, in order."""
    return sorted({each.node for each in series})


def on_clock(series: Series, clock: Column) -> Column:
    """Get the latest value at each time of a clock; the first value before there is one."""
    index = np.searchsorted(series.times, clock, side="right") - 1
    return series.values[np.maximum(index, 0)]


def together(series: Sequence[Series]) -> tuple[Column, Column]:
    """Align several series: returns the first one's times, and a row of values for each series.

    Args:
        series: Of one host, none of them empty.
    """
    clock = series[0].times
    return clock, np.stack([on_clock(each, clock) for each in series])


def minutes(profile: Profile, times: Column) -> Column:
    """Convert epoch seconds to minutes since the job started."""
    return (times - profile.started) / 60


def pooled(series: Sequence[Series]) -> Column:
    """Concatenate the values of several series."""
    return np.concatenate([each.values for each in series]) if series else np.zeros(0)


def percent(values: Column, quantile: float) -> float:
    """Compute a percentile.

    Args:
        values: At least one.
        quantile: From 0 to 100.
    """
    return float(np.percentile(values, quantile))
