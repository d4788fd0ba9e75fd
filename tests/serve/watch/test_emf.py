"""CloudWatch's embedded metric format, checked by the rules of its specification."""

import json
import random
import re
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from container.serve.watch.emf import MOST_VALUES, Emf, Sample, spread
from container.serve.watch.request_record import Levels, RequestRecord
from tests.serve.server_process import await_true

UNITS = {
    "Seconds", "Microseconds", "Milliseconds", "Bytes", "Kilobytes", "Megabytes", "Gigabytes", "Terabytes", "Bits",
    "Kilobits", "Megabits", "Gigabits", "Terabits", "Percent", "Count", "Bytes/Second", "Kilobytes/Second",
    "Megabytes/Second", "Gigabytes/Second", "Terabytes/Second", "Bits/Second", "Kilobits/Second", "Megabits/Second",
    "Gigabits/Second", "Terabits/Second", "Count/Second", "None",
}  # fmt: skip


def check(line: str) -> dict[str, Any]:
    """What the specification asks of a document; its root."""
    assert "\n" not in line
    assert len(line.encode()) <= 256 * 1024
    root: dict[str, Any] = json.loads(line, parse_constant=lambda text: pytest.fail(f"{text} is not JSON"))
    about = root["_aws"]
    assert set(about) == {"Timestamp", "CloudWatchMetrics"}
    assert isinstance(about["Timestamp"], int)
    assert about["Timestamp"] > 10**12, "milliseconds"
    assert about["CloudWatchMetrics"]
    for directive in about["CloudWatchMetrics"]:
        _check_directive(root, directive)
    return root


def _check_directive(root: Mapping[str, Any], directive: Mapping[str, Any]) -> None:
    assert set(directive) == {"Namespace", "Dimensions", "Metrics"}
    assert isinstance(directive["Namespace"], str)
    assert 1 <= len(directive["Namespace"]) <= 255
    assert directive["Dimensions"]
    for dimensions in directive["Dimensions"]:
        assert 1 <= len(dimensions) <= 30
        for name in dimensions:
            assert re.fullmatch(r"[\x20-\x7e]{1,250}", name)
            assert isinstance(root[name], str)
            assert 1 <= len(root[name]) <= 1024
    assert 1 <= len(directive["Metrics"]) <= 100
    names = [metric["Name"] for metric in directive["Metrics"]]
    assert len(set(names)) == len(names)
    for metric in directive["Metrics"]:
        assert set(metric) <= {"Name", "Unit", "StorageResolution"}
        assert metric["Unit"] in UNITS
        values = root[metric["Name"]]
        values = values if isinstance(values, list) else [values]
        assert 1 <= len(values) <= 100
        assert all(isinstance(value, (int, float)) and not isinstance(value, bool) for value in values)


@pytest.mark.parametrize("form", ["text", "json"])
def test_a_server_writes_what_it_did(base_dir: Path, start_server, pictures: list[bytes], form: str) -> None:
    server = start_server(base_dir, SLIPWAY_EMF="Slipway/Test", SLIPWAY_EMF_S="1", SLIPWAY_LOG_FORMAT=form)
    server.await_ready()
    statuses = Counter(server.post(body).status for body in [*pictures[:6], b"wrong"])
    assert statuses == {200: 6, 422: 1}

    def documents() -> list[dict[str, Any]]:
        return [check(line) for line in server.log.splitlines() if '"_aws"' in line and line.endswith("}")]

    def total(name: str) -> float:
        return sum(root[name] for root in documents())

    # Requests that came before it was ready are counted too: none but /ping, which is not.
    await_true(lambda: total("Requests") == 7, "all are in some interval")
    assert (total("ClientErrors"), total("ServerErrors")) == (1, 0)
    assert total("BytesIn") == sum(map(len, pictures[:6])) + len(b"wrong")
    latencies = [value for root in documents() for value in root.get("Latency", [])]
    assert len(latencies) == 7
    logged = [
        float(record["ms"])
        for record in (server.records if form == "json" else server.events("request"))
        if record.get("event") == "request"
    ]
    assert sorted(latencies) == pytest.approx(sorted(logged), abs=0.1)
    assert sum(value for root in documents() for value in root.get("BatchSize", [])) == 7
    assert documents()[-1]["Ready"] == 1
    directives = [root["_aws"]["CloudWatchMetrics"][0] for root in documents()]
    assert {directive["Namespace"] for directive in directives} == {"Slipway/Test"}
    assert server.stop() == 0


def test_the_last_interval_is_written_at_the_end(base_dir: Path, start_server, picture: bytes) -> None:
    server = start_server(base_dir, SLIPWAY_EMF="Slipway/Test", SLIPWAY_EMF_S="3600")
    server.await_ready()
    assert server.post(picture).status == 200
    assert server.stop() == 0
    [document] = [check(line) for line in server.log.splitlines() if '"_aws"' in line]
    assert document["Requests"] == 1


def test_a_busy_interval_is_a_line_within_the_limits() -> None:
    emf = Emf("Test", Levels(in_flight=lambda: 0, waiting=lambda: 0, held_bytes=lambda: 0, ready=lambda: True))
    for place in range(25_000):
        emf.note(RequestRecord(route="invocations", start=0.0, end=place / 1000))
    document = check(emf.line(2e9))
    assert document["Requests"] == 25_000
    assert "Latency" not in document, "none was answered"
    assert check(emf.line(2e9))["Requests"] == 0, "the next interval has begun"


def test_a_spread_keeps_the_quantiles() -> None:
    values = [float(value) for value in range(10_001)]
    random.Random(1).shuffle(values)
    kept = spread(values, MOST_VALUES)
    assert len(kept) == MOST_VALUES
    assert (kept[0], kept[-1]) == (0, 10_000)
    assert kept == sorted(kept)
    assert sorted(kept)[len(kept) // 2] == pytest.approx(5000, rel=0.02)
    assert spread([3.0, 1.0], MOST_VALUES) == [1, 3]


def test_a_sample_is_bounded_and_fair() -> None:
    sample = Sample(1000)
    for value in range(100_000):
        sample.add(value)
    assert len(sample.values) == 1000
    mean = sum(sample.values) / 1000
    # Ten standard deviations of such a mean.
    assert abs(mean - 50_000) < 10 * 100_000 / (12 * 1000) ** 0.5
