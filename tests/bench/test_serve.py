"""The benchmark of serving's speed, at its smallest, and the two loops that it asks servers with."""

import asyncio
import json
import math
import subprocess
import sys
from pathlib import Path

import pytest

from bench import serve
from bench.serving import rivals
from bench.serving.load import LOST, Target, ask_each, closed_loop, open_loop
from bench.serving.points import Latencies, seconds_per_answer
from bench.serving.server import StartError
from bench.serving.workload import Workload
from tests.forked_main import run_main
from tests.rules.environment import ROOT

KEYS = (
    "vs_limit_c32", "vs_seed_c32", "vs_litserve_c1", "vs_litserve_c8", "vs_litserve_c32", "vs_litserve_c128",
    "p99_over_p50_at_80", "front_cost", "engine", "device",
)  # fmt: skip


def test_it_prints_and_writes_the_ratios(tmp_path: Path):
    written = tmp_path / "result.json"
    rivals = ["--only", "limit", "seed", "without_front"]
    done = run_main("bench.serve", "--quick", "--pictures=16", f"--json={written}", "--concurrency=32", *rivals)
    assert done.returncode == 0, done.stderr
    result = json.loads(written.read_text())
    assert set(KEYS) <= result.keys()
    for name in ("vs_limit_c32", "vs_seed_c32"):
        assert result[name] > 0
        assert f" {result[name]:.3f} " in done.stdout
    for name in (
        "p99_over_p50_at_80", "ours_ping_s", "ours_prediction_s", "ours_c32_per_s", "seed_c32_p99_ms",
        "ours_per_cpu_per_s", "ours_half_busy_p99_ms", "seed_half_quiet_p50_ms",
    ):  # fmt: skip
        assert math.isfinite(result[name])
        assert result[name] > 0
    assert result["front_cost"] < 1
    assert result["vs_litserve_c32"] is None
    assert result["ours_c32_failed"] == 0
    assert result["left_out"] == []
    assert result["engine"] in done.stdout
    assert f"  {result['ours_half_busy_p99_ms']:.1f}\n" in done.stdout
    assert result["device"] in done.stdout


def test_help_names_all_that_is_compared():
    done = subprocess.run([sys.executable, "-m", "bench.serve", "--help"], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0
    for word in ("--json", "--rounds", "--quick", "limit", "seed", "litserve", "triton", "torchserve"):
        assert word in done.stdout


@pytest.mark.parametrize(("int8", "least"), [(False, "at least 16$"), (True, "at least 128 for INT8$")])
def test_too_few_pictures_are_refused(int8: bool, least: str, tmp_path: Path):
    with pytest.raises(ValueError, match=f"15 pictures are too few: {least}"):
        Workload.make(tmp_path, "resnet18", 64, pictures=15, kept=None, told=print, int8=int8)


def test_int8_is_not_measured_on_a_cpu_that_is_not_given_it(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("container.graph.cpu_features.has_int8_products", lambda: False)
    with pytest.raises(SystemExit, match=r"--int8: this CPU has no 8-bit dot products \(VNNI, AMX\)"):
        serve.main(["--int8"])


def test_triton_is_named_where_it_is_not_installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(rivals, "TRITON", tmp_path / "python")
    with pytest.raises(StartError, match=r"triton is not installed; `docker/venv\.sh triton` installs it"):
        rivals.triton(Workload("resnet18", 64, tmp_path, [], [], []))


def test_an_unknown_rival_is_refused(capsys: pytest.CaptureFixture[str]):
    with pytest.raises(SystemExit):
        serve.main(["--only", "nobody"])
    assert "invalid choice: 'nobody'" in capsys.readouterr().err


class _Server:
    """Answers with the status that it is told, once it may."""

    def __init__(self, status: int = 200) -> None:
        self.status = status
        self.may_answer = asyncio.Event()
        self.may_answer.set()
        self.under_way = 0
        self.most_under_way = 0

    async def __aenter__(self) -> int:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        return int(self._server.sockets[0].getsockname()[1])

    async def __aexit__(self, *_error: object) -> None:
        self._server.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while head := await reader.readuntil(b"\r\n\r\n") if not reader.at_eof() else b"":
            length = int(head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0])
            body = await reader.readexactly(length)
            self.under_way += 1
            self.most_under_way = max(self.most_under_way, self.under_way)
            await self.may_answer.wait()
            self.under_way -= 1
            writer.write(f"HTTP/1.1 {self.status} X\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body)


def target(port: int, tmp_path: Path) -> Target:
    for name in ("a", "b"):
        (tmp_path / name).write_text(name * 3)
    return Target(port, "/", {"X-Y": "z"}, [str(tmp_path / "a"), str(tmp_path / "b")])


def test_answers_come_with_status_and_body(tmp_path: Path):
    async def run() -> None:
        async with _Server(status=418) as port:
            answers = await ask_each(target(port, tmp_path))
        assert [(answer.status, answer.body) for answer in answers] == [(418, b"aaa"), (418, b"bbb")]
        lost = await ask_each(target(port, tmp_path))
        assert [answer.status for answer in lost] == [LOST, LOST]

    asyncio.run(run())


def test_a_closed_loop_has_as_many_requests_under_way_as_there_are_clients(tmp_path: Path):
    async def run() -> None:
        server = _Server()
        async with server as port:
            requests = target(port, tmp_path).requests()
            samples = await closed_loop(port, requests, concurrency=3, warm_s=0, seconds=0.1)
        assert server.most_under_way <= 3
        assert server.under_way == 0
        assert set(samples.status) == {200}
        assert samples.end == sorted(samples.end)
        whole = samples.end[-1] - samples.end[0]
        assert seconds_per_answer(samples) == pytest.approx(whole / (len(samples.end) - 1))

    asyncio.run(run())


def test_an_open_loop_goes_on_while_nothing_is_answered_and_charges_for_it(tmp_path: Path):
    async def run() -> None:
        server = _Server()
        server.may_answer.clear()
        async with server as port:
            requests = target(port, tmp_path).requests()
            asyncio.get_running_loop().call_later(0.5, server.may_answer.set)
            samples = await open_loop(port, requests, rate=100, warm_s=0, seconds=0.3)
        # All were sent although none was answered yet, and each has waited since its own time.
        assert server.most_under_way == len(samples.start) >= 29
        waited = [end - start for start, end in sorted(zip(samples.start, samples.end, strict=True))]
        assert min(waited) >= 0.15
        assert waited[0] - waited[-1] == pytest.approx(0.3, abs=0.15)

    asyncio.run(run())


def test_an_open_loop_with_random_times_has_the_same_rate(tmp_path: Path):
    async def run() -> None:
        async with _Server() as port:
            requests = target(port, tmp_path).requests()
            samples = await open_loop(port, requests, rate=200, warm_s=0, seconds=1, spacing="random")
        assert 140 < len(samples.start) < 260
        gaps = [later - one for one, later in zip(sorted(samples.start), sorted(samples.start)[1:], strict=False)]
        assert max(gaps) > 4 * min(gaps)

    asyncio.run(run())


def test_what_was_not_answered_is_no_latency(tmp_path: Path):
    async def run() -> None:
        async with _Server(status=503) as port:
            requests = target(port, tmp_path).requests()
            samples = await closed_loop(port, requests, concurrency=2, warm_s=0, seconds=0.05)
        latencies = Latencies()
        latencies.add(samples)
        assert latencies.seconds == []
        assert latencies.others == len(samples.status)
        assert latencies.milliseconds(99) is None
        assert seconds_per_answer(samples) == float("inf")

    asyncio.run(run())
