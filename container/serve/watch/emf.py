"""Metrics for CloudWatch in its embedded metric format: a line of the log for every interval, not for every request.

CloudWatch Logs extracts metrics from such a line wherever it is stored as an event of its own. Source: "Specification:
Embedded metric format" in the CloudWatch user guide.
"""

import asyncio
import contextlib
import os
import random
import sys
import time
from collections.abc import Sequence

from container.serve.settings.logs import json_line
from container.serve.watch.batches import NewBatches
from container.serve.watch.request_record import Levels, RequestRecord

MOST_VALUES = 100
"""Most values of one metric in a line."""

# Latencies and batch sizes kept per interval; a random sample if there are more.
_MOST_KEPT = 10_000

_DIMENSIONS = {"Service": "slipway"}
_UNITS = {
    "Requests": "Count",
    "ClientErrors": "Count",
    "ServerErrors": "Count",
    "Latency": "Milliseconds",
    "BatchSize": "Count",
    "InFlight": "Count",
    "Waiting": "Count",
    "BytesIn": "Bytes",
    "BytesOut": "Bytes",
    "Ready": "Count",
}


class Emf:
    """Collects metrics for an interval, then writes them."""

    def __init__(self, namespace: str, levels: Levels) -> None:
        self._namespace = namespace
        self._levels = levels
        self._batches = NewBatches()
        self._begin()

    def _begin(self) -> None:
        self._requests = self._client_errors = self._server_errors = 0
        self._bytes_in = self._bytes_out = 0
        self._most_in_flight = self._most_waiting = 0
        self._latencies = Sample(_MOST_KEPT)
        self._batch_sizes = Sample(_MOST_KEPT)

    def note(self, record: RequestRecord) -> None:
        """Count one request."""
        if record.route == "ping":
            return
        self._requests += 1
        # The request itself is no longer counted.
        self._most_in_flight = max(self._most_in_flight, self._levels.in_flight() + 1)
        self._most_waiting = max(self._most_waiting, self._levels.waiting())
        self._bytes_in += record.bytes_in
        reply = record.reply
        if reply is None:
            return
        self._client_errors += 400 <= reply.status < 500
        self._server_errors += reply.status >= 500
        self._bytes_out += len(reply.body)
        self._latencies.add(record.seconds * 1000)
        if size := self._batches.size(reply):
            self._batch_sizes.add(size)

    def line(self, at: float) -> str:
        """The interval's line; also begins the next interval.

        Args:
            at: Seconds since 1970.
        """
        levels = self._levels
        metrics: dict[str, float | list[float]] = {
            "Requests": self._requests,
            "ClientErrors": self._client_errors,
            "ServerErrors": self._server_errors,
            "InFlight": max(self._most_in_flight, levels.in_flight()),
            "Waiting": max(self._most_waiting, levels.waiting()),
            "BytesIn": self._bytes_in,
            "BytesOut": self._bytes_out,
            "Ready": int(levels.ready()),
        }
        for name, sample in (("Latency", self._latencies), ("BatchSize", self._batch_sizes)):
            if values := spread(sample.values, MOST_VALUES):
                metrics[name] = [round(value, 3) for value in values]
        self._begin()
        directive = {
            "Namespace": self._namespace,
            "Dimensions": [list(_DIMENSIONS)],
            "Metrics": [{"Name": name, "Unit": _UNITS[name]} for name in metrics],
        }
        about = {"Timestamp": int(at * 1000), "CloudWatchMetrics": [directive]}
        return json_line("INFO", at, {"event": "metrics", "_aws": about, **_DIMENSIONS, **metrics})

    async def run(self, interval_s: float) -> None:
        """Write a line after every interval, and when cancelled."""
        try:
            while True:
                await asyncio.sleep(interval_s)
                self._write()
        finally:
            self._write()

    def _write(self) -> None:
        line = f"{self.line(time.time())}\n".encode()
        # Nobody reads, or the disk is full: try again after the next interval.
        with contextlib.suppress(OSError):
            sys.stdout.flush()
            os.write(sys.stdout.fileno(), line)


class Sample:
    """A uniform random sample of bounded size (reservoir sampling)."""

    def __init__(self, most: int) -> None:
        self.values: list[float] = []
        self._most = most
        self._seen = 0

    def add(self, value: float) -> None:
        self._seen += 1
        if len(self.values) < self._most:
            self.values.append(value)
        elif (place := random.randrange(self._seen)) < self._most:  # noqa: S311 - not for security
            self.values[place] = value


def spread(values: Sequence[float], most: int) -> list[float]:
    """All values in order, or `most` of them evenly spaced, with the lowest and the highest."""
    ordered = sorted(values)
    if len(ordered) <= most:
        return ordered
    return [ordered[round(place * (len(ordered) - 1) / (most - 1))] for place in range(most)]
