"""Asking a server for its metrics."""

import http.client
import socket

from prometheus_client.parser import text_string_to_metric_families

from tests.serve.server_process import PATIENCE_S

Samples = dict[tuple[str, frozenset[tuple[str, str]]], float]


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def get(port: int, path: str = "/metrics", method: str = "GET") -> tuple[int, str, str]:
    """Status, content type and text."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=PATIENCE_S)
    try:
        connection.request(method, path)
        response = connection.getresponse()
        return response.status, response.getheader("content-type", ""), response.read().decode()
    finally:
        connection.close()


class Scrape:
    """One look at all the metrics."""

    def __init__(self, port: int) -> None:
        status, content_type, text = get(port)
        assert status == 200
        assert content_type.startswith("text/plain; version=")
        self.families = list(text_string_to_metric_families(text))
        self._samples: Samples = {
            (sample.name, frozenset(sample.labels.items())): sample.value
            for family in self.families
            for sample in family.samples
        }

    def value(self, name: str, **labels: str) -> float:
        """Of one series; 0 where there is none."""
        return self._samples.get((name, frozenset(labels.items())), 0.0)

    def labels(self, name: str) -> list[dict[str, str]]:
        """Of all series of a name."""
        return [dict(labels) for found, labels in self._samples if found == name]
