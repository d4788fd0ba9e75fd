"""The profiler without a job."""

import json
import logging
from contextlib import nullcontext
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn
from torch.profiler import ProfilerActivity, profile

from container.contract.errors import TrainingError
from container.contract.hyperparameters import TrainConfig
from container.contract.paths import MlPaths
from container.train.device import Device
from container.train.launch.distributed import World
from container.train.launch.hosts import Rank
from container.train.profiler.device_timing import DeviceClock
from container.train.profiler.profiler import NoProfiler, Profiler
from container.train.profiler.sampler import Sampler
from container.train.profiler.start import start_profiler
from container.train.profiler.system_samples import Reading, SystemFiles
from container.train.profiler.timeline_configuration import read_timeline_configuration
from container.train.profiler.timing import StepRecord
from container.train.profiler.trace_table import operator_table
from tests.train.profiler.test_profiler import check_steps, read_lines, read_steps

CPU = Device(torch_device=torch.device("cpu"), amp_dtype=None, workers=0)


@pytest.fixture
def paths(tmp_path: Path) -> MlPaths:
    paths = MlPaths(tmp_path)
    for directory in (paths.config, paths.output_data):
        directory.mkdir(parents=True)
    return paths


def start(paths: MlPaths, *, wanted: bool = True) -> Profiler:
    config = TrainConfig(profile=wanted)
    return start_profiler(
        config, paths, World(Rank()), CPU, job="job", pictures={"train": 8}, step_seconds={}, versions={}
    )


def train(profiler: Profiler, epochs: int, steps: int) -> None:
    """Steps of a network that is quick."""
    model = nn.Linear(4, 4)
    optimizer = torch.optim.AdamW(model.parameters())
    for epoch in range(1, epochs + 1):
        timer = profiler.begin_epoch(epoch, step=(epoch - 1) * steps + 1, steps=steps)
        for _ in range(steps):
            batch = torch.rand(2, 4)
            timer.mark("data")
            timer.mark("copy")
            loss = model(batch).sum()
            timer.mark("forward")
            loss.backward()
            timer.mark("backward")
            timer.mark("debugger")
            optimizer.step()
            timer.mark("optimizer")
            timer.end_step(2)
        with profiler.phase("evaluation"):
            torch.rand(2, 2).diag()
        profiler.end_epoch()


def test_after_an_epoch_everything_so_far_can_be_read(paths: MlPaths):
    profiler = start(paths)
    directory = paths.output_data / "profile"
    for epochs in (1, 2):
        train(profiler, epochs, steps=2)
        steps = read_steps(directory)
        assert len(steps) == sum(range(1, epochs + 1)) * 2
        assert json.loads((directory / "profile.json").read_text())["training_started"] <= steps[0]["start"] + 0.01
    check_steps(steps[-4:])
    assert all(step["debugger"] > 0 for step in steps)
    profiler.close()


def test_nothing_is_left_where_it_is_not_wanted_not_even_an_earlier_job_s(paths: MlPaths):
    directory = paths.output_data / "profile"
    directory.mkdir()
    (directory / "profile.json").write_text("{}")
    profiler = start(paths, wanted=False)
    assert isinstance(profiler, NoProfiler)
    train(profiler, epochs=1, steps=2)
    profiler.gather()
    profiler.close()
    assert not directory.exists()


@pytest.mark.parametrize("steps", [2, 4, 9])
def test_the_window_lies_in_one_epoch(paths: MlPaths, steps: int):
    profiler = start(paths)
    train(profiler, epochs=5, steps=steps)
    profiler.close()
    window = paths.output_data / "profile" / "window"
    table = json.loads((window / "operators.json").read_text())
    assert table["steps"] == min(3, steps)
    assert table["first_step"] == {2: 7, 4: 6, 9: 6}[steps]
    calls = {row["name"]: row["calls"] for row in table["operators"]}
    assert calls["aten::addmm"] == table["steps"]
    assert "aten::diag" not in calls


def test_a_directory_that_cannot_be_written_is_one_warning(paths: MlPaths, caplog: pytest.LogCaptureFixture):
    (paths.output_data / "profile").write_text("in the way")
    with caplog.at_level(logging.WARNING):
        profiler = start(paths)
        train(profiler, epochs=3, steps=4)
        profiler.gather()
        profiler.close()
    assert len(caplog.messages) == 1
    assert "the profile cannot be written; training goes on without it: " in caplog.text


def configure(paths: MlPaths, text: str) -> None:
    (paths.config / "profilerconfig.json").write_text(text)


def test_sagemaker_s_profiler_configuration_is_read_in_any_case(paths: MlPaths):
    assert read_timeline_configuration(paths) is None
    configure(paths, '{"disableprofiler": "True", "ProfilingParameters": {"LocalPath": "/Where"}}')
    assert read_timeline_configuration(paths) is None
    configure(paths, '{"S3OutputPath": "s3://bucket"}')
    plain = read_timeline_configuration(paths)
    assert plain is not None
    assert plain.directory == paths.base / "output" / "profiler"
    parameters = {"localpath": "/Where", "ROTATEMAXFILESIZEINBYTES": "1e6", "RotateFileCloseIntervalInSeconds": "5"}
    configure(paths, json.dumps({"PROFILINGPARAMETERS": parameters}))
    asked = read_timeline_configuration(paths)
    assert asked is not None
    assert (asked.directory, asked.max_file_bytes, asked.close_interval_s) == (Path("/Where"), 1_000_000, 5)


@pytest.mark.parametrize("text", ["{", "[]", '{"ProfilingParameters": {"RotateMaxFileSizeInBytes": "much"}}'])
def test_a_broken_profiler_configuration_is_one_warning(paths: MlPaths, caplog: pytest.LogCaptureFixture, text: str):
    configure(paths, text)
    with pytest.raises(TrainingError, match=r"profilerconfig\.json is not a profiler configuration"):
        read_timeline_configuration(paths)
    with caplog.at_level(logging.WARNING):
        profiler = start(paths)
        train(profiler, epochs=1, steps=1)
        profiler.close()
    assert [message.split(" (")[0] for message in caplog.messages] == [
        f"{paths.config / 'profilerconfig.json'} is not a profiler configuration"
    ]
    assert len(read_steps(paths.output_data / "profile")) == 1


def test_a_timeline_that_cannot_be_written_leaves_the_profile(paths: MlPaths, caplog: pytest.LogCaptureFixture):
    (paths.base / "output" / "profiler").write_text("in the way")
    configure(paths, "{}")
    with caplog.at_level(logging.WARNING):
        profiler = start(paths)
        train(profiler, epochs=1, steps=1)
        profiler.close()
    assert len(caplog.messages) == 1
    assert "the timeline for SageMaker's profiler cannot be written; training goes on without it: " in caplog.text
    assert len(read_steps(paths.output_data / "profile")) == 1


class EventOfADeviceThatLagsBehind:
    """In place of torch.cuda.Event: the device has a clock of its own, and passes events when the test says so."""

    made = 0
    device_ms = 0.0
    reached_ms = 0.0

    def __init__(self, *, enable_timing: bool) -> None:
        assert enable_timing
        type(self).made += 1

    def record(self) -> None:
        self.at_ms = self.device_ms

    def query(self) -> bool:
        return self.at_ms <= self.reached_ms

    def elapsed_time(self, later: "EventOfADeviceThatLagsBehind") -> float:
        assert self.query()
        assert later.query()
        return later.at_ms - self.at_ms


def test_a_gpu_s_steps_are_read_when_it_has_passed_them(monkeypatch: pytest.MonkeyPatch):
    device = EventOfADeviceThatLagsBehind
    monkeypatch.setattr(torch.cuda, "Event", device)
    monkeypatch.setattr(torch.cuda, "device", nullcontext)
    clock = DeviceClock(torch.device("cuda", 0))
    clock.begin(epoch=2, step=11)
    records: list[StepRecord] = []
    for number in range(50):
        for phase, milliseconds in (("data", 1.0), ("copy", 2.0), ("forward", 10.0 + number), ("backward", 20.0)):
            device.device_ms += milliseconds
            clock.mark(phase)
        device.device_ms += 4.0
        clock.end_step(8)
        assert clock.collect() == []
        if number % 5 == 4:
            device.reached_ms = device.device_ms
            records += clock.collect()
            assert len(records) == number + 1
    assert [record.step for record in records] == list(range(11, 61))
    for number, record in enumerate(records):
        assert record.wall == pytest.approx(0.037 + number / 1000)
        assert record.phases["forward"] == pytest.approx(0.010 + number / 1000)
        assert record.pictures == 8
        assert record.epoch == 2
    for earlier, later in pairwise(records):
        assert later.start == pytest.approx(earlier.start + earlier.wall)
    assert device.made < 40, "events are used again"


def test_the_table_says_what_torch_s_own_does(tmp_path: Path):
    model = nn.Sequential(nn.Conv2d(3, 8, 3), nn.BatchNorm2d(8), nn.ReLU(), nn.Flatten(), nn.Linear(8 * 36, 3))
    optimizer = torch.optim.AdamW(model.parameters())
    with profile(activities=[ProfilerActivity.CPU]) as recorded:
        for _ in range(2):
            optimizer.zero_grad()
            model(torch.rand(4, 3, 8, 8)).sum().backward()
            optimizer.step()
    recorded.export_chrome_trace(str(tmp_path / "trace.json"))
    events = json.loads((tmp_path / "trace.json").read_text())["traceEvents"]
    ours = {row["name"]: row for row in operator_table(events, steps=2, first_step=1)["operators"]}
    theirs = {event.key: event for event in recorded.key_averages()}
    assert len(ours) > 20
    for name, row in ours.items():
        assert row["self_cpu_us"] == pytest.approx(theirs[name].self_cpu_time_total, abs=1), name
    assert ours["aten::convolution"]["calls"] == theirs["aten::convolution"].count == 2


def test_kernels_belong_to_the_operators_that_started_them():
    """A trace's events, as torch writes them on a GPU."""

    def event(name: str, category: str, start: float, duration: float, **arguments: Any) -> dict[str, Any]:
        thread = {"kernel": 7, "cpu_op": 1, "cuda_runtime": 1}[category]
        return {
            "ph": "X",
            "cat": category,
            "name": name,
            "pid": 0,
            "tid": thread,
            "ts": start,
            "dur": duration,
            "args": arguments,
        }

    events = [
        event("aten::linear", "cpu_op", 0, 100, **{"External id": 1}),
        event("aten::addmm", "cpu_op", 10, 80, **{"External id": 2}),
        event("cudaLaunchKernel", "cuda_runtime", 20, 30, **{"External id": 2, "correlation": 5}),
        event("gemm", "kernel", 60, 500, **{"External id": 2, "correlation": 5}),
        event("aten::relu", "cpu_op", 100, 10, **{"External id": 3}),
        event("clamp", "kernel", 600, 200, **{"External id": 3}),
        {"ph": "M", "name": "process_name", "pid": 0, "args": {"name": "python"}},
    ]
    table = operator_table(events, steps=1, first_step=1)
    assert table["device"] == "cuda"
    assert table["kernels"] == [
        {"name": "gemm", "calls": 1, "device_us": 500},
        {"name": "clamp", "calls": 1, "device_us": 200},
    ]
    rows = {row.pop("name"): row for row in table["operators"]}
    assert list(rows)[:2] == ["aten::addmm", "aten::relu"]
    assert rows["aten::linear"] == {
        "calls": 1,
        "self_cpu_us": 20,
        "cpu_us": 100,
        "self_device_us": 0,
        "device_us": 500,
    }
    assert rows["aten::addmm"]["self_cpu_us"] == 50
    assert rows["cudaLaunchKernel"]["cpu_us"] == 30


def test_a_long_job_is_sampled_less_often(tmp_path: Path):
    now = [1_700_000_000.0]
    sampler = Sampler(
        [lambda: [Reading("cpu", "cpu0", "CPUUtilization", 1.0)]], SystemFiles(tmp_path, "algo-1"), clock=lambda: now[0]
    )
    for _ in range(2 * 3600):
        now[0] += 0.5
        sampler.sample_if_due()
    samples = [sample for file in sorted(tmp_path.rglob("*.json")) for sample in read_lines(file)]
    times = [sample["Timestamp"] for sample in samples]
    assert times == sorted(times)
    assert times[1] - times[0] == 0.5
    assert times[-1] - times[-2] == 2
    assert 1200 + 1200 <= len(samples) <= 1200 + 1200 + 900 + 1


def test_a_reading_that_fails_is_left_out_from_then_on(tmp_path: Path, caplog: pytest.LogCaptureFixture):
    now = [1_700_000_000.0]

    def broken() -> list[Reading]:
        raise PermissionError("/proc/stat")

    sampler = Sampler(
        [broken, lambda: [Reading("cpu", "cpu0", "CPUUtilization", 1.0)]],
        SystemFiles(tmp_path, "algo-1"),
        clock=lambda: now[0],
    )
    for _ in range(3):
        now[0] += 1
        sampler.sample_if_due()
    assert len(caplog.messages) == 1
    assert "a part of the machine cannot be monitored: PermissionError: /proc/stat" in caplog.text
    assert sum(len(read_lines(file)) for file in tmp_path.rglob("*.json")) == 3
