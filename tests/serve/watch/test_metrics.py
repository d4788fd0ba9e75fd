"""The metrics' port, scraped from a real server, against what was sent to it."""

import os
import signal
import socket
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from container.serve.watch.server_collector import GPU_MEANINGS
from tests.serve.many_models import MULTI, ManyModels, put_model
from tests.serve.scrape import Scrape, free_port, get
from tests.serve.server_process import REPOSITORY, ServerProcess, await_true

STAGES = ("receive", "queue", "decode", "forward", "encode")


class Watched:
    """A server and its metrics."""

    def __init__(self, server: ServerProcess, port: int) -> None:
        self.server = server
        self.port = port

    def scrape(self) -> Scrape:
        return Scrape(self.port)

    def await_value(self, wanted: float, name: str, **labels: str) -> Scrape:
        """An answer may be with its client before it is counted."""
        return await_true(
            lambda: (seen := self.scrape()).value(name, **labels) >= wanted and seen, f"{name} reaches {wanted}"
        )


@pytest.fixture(scope="module")
def watched(model_dir: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Watched]:
    port = free_port()
    server = ServerProcess(
        model_dir.parent,
        tmp_path_factory.mktemp("server"),
        SLIPWAY_METRICS_PORT=str(port),
        SLIPWAY_BATCH_SIZE="4",
        SAGEMAKER_MAX_PAYLOAD_IN_MB="1",
    )
    try:
        server.await_ready()
        yield Watched(server, port)
    finally:
        server.kill()


def requests(scrape: Scrape, status: str) -> float:
    return scrape.value("slipway_requests_total", route="invocations", status=status)


def test_what_was_sent_is_what_was_counted(watched: Watched, pictures: list[bytes]) -> None:
    before = watched.scrape()
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(watched.server.post, pictures))
    assert [answer.status for answer in answers] == [200] * len(pictures)
    wrong = [
        watched.server.post(b"no picture"),
        watched.server.post(pictures[0], accept="text/html"),
        watched.server.post(b"x" * (2 << 20)),
    ]
    assert [answer.status for answer in wrong] == [422, 406, 413]
    assert watched.server.request("GET", "/nowhere").status == 404
    assert watched.server.ping().status == 200
    watched.await_value(1, "slipway_requests_total", route="other", status="404")
    after = watched.await_value(
        before.value("slipway_requests_total", route="ping", status="200") + 1,
        "slipway_requests_total",
        route="ping",
        status="200",
    )

    assert requests(after, "200") - requests(before, "200") == len(pictures)
    assert [requests(after, status) for status in ("422", "406", "413")] == [1, 1, 1]
    name = "slipway_request_duration_seconds_count"
    assert after.value(name, route="invocations") == requests(after, "200") + 3
    sent = sum(map(len, pictures)) + len(b"no picture") + len(pictures[0])
    assert after.value("slipway_request_bytes_total") - before.value("slipway_request_bytes_total") == sent
    received = sum(len(answer.body) for answer in [*answers, *wrong])
    counted = after.value("slipway_response_bytes_total") - before.value("slipway_response_bytes_total")
    assert counted == received + len(watched.server.request("GET", "/nowhere").body)
    assert after.value("slipway_pictures_total") - before.value("slipway_pictures_total") == len(pictures)


def test_batches_are_counted_once_each(watched: Watched, pictures: list[bytes]) -> None:
    before = watched.scrape()
    with ThreadPoolExecutor(20) as pool:
        answers = list(pool.map(watched.server.post, pictures))
    after = watched.await_value(
        requests(before, "200") + 20, "slipway_requests_total", route="invocations", status="200"
    )
    lines = await_true(
        lambda: (
            (found := [line for answer in answers for line in watched.server.request_lines(answer)])
            and len(found) == 20
            and found
        ),
        "the requests are logged",
    )
    # Every request of a batch of n says n.
    batches = sum(1 / int(line["batch"]) for line in lines)
    assert after.value("slipway_batch_size_count") - before.value("slipway_batch_size_count") == pytest.approx(batches)
    assert after.value("slipway_batch_size_sum") - before.value("slipway_batch_size_sum") == 20
    assert after.value("slipway_batch_size_bucket", le="4.0") == after.value("slipway_batch_size_count")
    assert max(int(line["batch"]) for line in lines) > 1


def test_the_stages_fit_into_the_whole(watched: Watched, picture: bytes) -> None:
    """One request at a time, so that no stage of one is another's; decoding of one picture is one thread's."""
    before = watched.scrape()
    for _ in range(5):
        assert watched.server.post(picture).status == 200
    after = watched.await_value(
        requests(before, "200") + 5, "slipway_requests_total", route="invocations", status="200"
    )

    def grown(name: str, **labels: str) -> float:
        return after.value(name, **labels) - before.value(name, **labels)

    seconds = {stage: grown("slipway_stage_duration_seconds_sum", stage=stage) for stage in STAGES}
    assert all(grown("slipway_stage_duration_seconds_count", stage=stage) == 5 for stage in STAGES)
    assert all(value > 0 for value in seconds.values()), seconds
    assert sum(seconds.values()) <= grown("slipway_request_duration_seconds_sum", route="invocations")


def test_the_server_and_its_processes(watched: Watched) -> None:
    seen = watched.scrape()
    assert seen.value("slipway_ready") == 1
    assert seen.value("slipway_workers") == 1
    assert seen.value("slipway_requests_in_flight") == 0
    assert seen.value("slipway_requests_waiting") == 0
    assert seen.value("slipway_held_bytes") == 0
    parts = {labels["part"] for labels in seen.labels("slipway_resident_memory_bytes")}
    assert parts == {"supervisor", "front", "model-server", "workers"}
    # torch alone takes more than that.
    assert seen.value("slipway_resident_memory_bytes", part="workers") > 100e6
    [model] = seen.labels("slipway_model_info")
    assert (model["architecture"], model["device"]) == ("resnet18", "cpu")


def test_nothing_of_it_is_on_the_public_port(watched: Watched) -> None:
    assert watched.server.request("GET", "/metrics").status == 404
    assert get(watched.port, "/invocations")[0] == 404
    assert get(watched.port, "/metrics", "POST")[0] == 404
    assert get(watched.port, "/ping")[0] == 404


def test_what_ends_is_counted_and_the_port_outlives_the_front(watched: Watched, picture: bytes) -> None:
    worker = watched.server.worker_of(watched.server.post(picture))
    os.kill(worker, signal.SIGKILL)
    watched.await_value(1, "slipway_restarts_total", part="worker")
    watched.server.await_ready()
    [front] = [pid for pid in watched.server.descendants() if "container.serve.front" in command_line(pid)]
    os.kill(front, signal.SIGKILL)
    seen = watched.await_value(1, "slipway_restarts_total", part="front")
    assert seen.value("slipway_restarts_total", part="worker") == 1
    assert seen.value("slipway_restarts_total", part="model-server") == 0
    watched.server.await_ready()
    assert watched.server.post(picture).status == 200
    watched.await_value(1, "slipway_requests_total", route="invocations", status="200")


def command_line(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/cmdline").read_text()
    except OSError:
        return ""


def test_a_port_in_use_does_not_keep_the_server_from_serving(base_dir: Path, start_server, picture: bytes) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        server = start_server(base_dir, SLIPWAY_METRICS_PORT=str(port))
        server.await_ready()
        assert server.post(picture).status == 200
    [line] = server.events("no-metrics")
    assert line["why"] == (
        f'"port {port} on 127.0.0.1 cannot be had: Address already in use; stop what uses it, or set '
        'SLIPWAY_METRICS_PORT to another"'
    )
    assert server.errors == ""


def test_many_models_have_labels(model_dir: Path, tmp_path: Path, start_server, picture: bytes) -> None:
    port = free_port()
    base = tmp_path / "base"
    for name in ("dogs", 'ca"ts\n'):
        put_model(base, name.strip().replace('"', ""), model_dir)
    server = start_server(base, SLIPWAY_METRICS_PORT=str(port), **MULTI)
    server.await_ready()
    many = ManyModels(server, base)
    assert many.load("dogs").status == 200
    assert many.load('ca"ts\n', many.url("cats")).status == 200
    assert [many.invoke(name, picture).status for name in ("dogs", "dogs", 'ca"ts\n', "mice")] == [200, 200, 200, 404]
    watched = Watched(server, port)
    count = {"name": "slipway_requests_total", "route": "invocations"}
    seen = watched.await_value(1, **count, status="404", model="(unknown)")
    assert seen.value(**count, status="200", model="dogs") == 2
    assert seen.value(**count, status="200", model='ca"ts\n') == 1
    assert seen.value("slipway_workers") == 2
    assert seen.labels("slipway_model_info") == []


def test_the_documents_table_is_what_is_served(watched: Watched, picture: bytes) -> None:
    """Those of GPUs too, which need one to be served."""
    assert watched.server.post(picture).status == 200
    watched.await_value(1, "slipway_requests_total", route="invocations", status="200")
    rows = {
        line.split(" | ")[0].strip("| `"): line.split(" | ")[1:]
        for line in (REPOSITORY / "docs" / "serving.md").read_text().splitlines()
        if line.startswith("| `slipway_")
    }
    wanted = {}
    for family in watched.scrape().families:
        suffix = "_total" if family.type == "counter" else ""
        labels = {name for sample in family.samples for name in sample.labels} - {"le"}
        wanted[family.name + suffix] = [family.type, labels, family.documentation]
    wanted |= {name: ["gauge", {"gpu"}, meaning] for name, meaning in GPU_MEANINGS.items()}
    assert set(rows) == set(wanted)
    for name, (kind, labels, meaning) in wanted.items():
        row_kind, row_labels, row_meaning = rows[name]
        assert (row_kind, row_meaning.rstrip(" |")) == (kind, meaning), name
        if name != "slipway_model_info":
            assert set(row_labels.replace("`", "").split(", ")) - {"model", ""} == labels - {"model"}, name
