"""What a job records of its own speed."""

import gzip
import json
import os
import re
import subprocess
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import write_image_folder
from tests.train.conftest import SMALL, JobDirectory, Result
from tests.train.forked_job import Variables, run_program

PHASES = ("data", "copy", "forward", "backward", "optimizer", "debugger")
SMDEBUG = Path(__file__).parents[3] / ".venv-smdebug" / "bin" / "python"


def read_steps(profile: Path, rank: int = 0) -> list[dict[str, float]]:
    head, *rows = [json.loads(line) for line in (profile / "steps" / f"rank-{rank:05d}.jsonl").read_text().splitlines()]
    return [dict(zip(head["columns"], row, strict=True)) for row in rows]


def read_lines(file: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in file.read_text().splitlines()]


def check_steps(steps: list[dict[str, float]]) -> None:
    """What must be true of the steps of any job: phases lie within their step, and steps follow one another."""
    for step in steps:
        parts = [step[name] for name in PHASES]
        assert min(parts) >= 0
        assert 0 < sum(parts) <= step["wall"] * 1.001
        assert step["forward"] > 0
        assert step["backward"] > 0
    for earlier, later in pairwise(steps):
        assert later["step"] == earlier["step"] + 1
        assert later["start"] >= earlier["start"] + earlier["wall"] - 0.01


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> tuple[JobDirectory, Result]:
    """A job of two epochs of seven steps, that SageMaker's profiler also wants to see."""
    base = tmp_path_factory.mktemp("profiled")
    job = JobDirectory(base / "job")
    job.channel("train", write_image_folder(base / "train", {"blue": 20, "green": 20, "red": 27}))
    (job.base / "checkpoints").mkdir()
    configuration = {"ProfilingIntervalInMilliseconds": 500, "ProfilingParameters": {"RotateMaxFileSizeInBytes": "900"}}
    configuration["ProfilingParameters"]["LocalPath"] = str(base / "Timeline")
    (job.base / "input" / "config" / "profilerconfig.json").write_text(json.dumps(configuration))
    result = run_program(job, {**SMALL, "num-workers": "1"}, Variables({"TRAINING_JOB_NAME": "dogs"}))
    assert result.code == 0, result.log
    return job, result


@pytest.fixture(scope="module")
def profile(finished: tuple[JobDirectory, Result]) -> Path:
    return finished[0].data / "profile"


def test_every_step_is_there_and_its_phases_lie_within_it(profile: Path):
    steps = read_steps(profile)
    check_steps(steps)
    assert [(step["step"], step["epoch"]) for step in steps] == [(n, 1 + (n > 7)) for n in range(1, 15)]
    assert [step["pictures"] for step in steps[:7]] == [8] * 6 + [54 - 6 * 8]
    assert all(step["optimizer"] > 0 for step in steps)


def test_what_happens_between_steps_is_there_too(profile: Path):
    phases = read_lines(profile / "phases" / "rank-00000.jsonl")
    found = [(phase["name"], phase["epoch"]) for phase in phases if phase["name"] != "profiler"]
    assert found[0] == ("initialization", None)
    assert found[-2:] == [("test", None), ("report", None)]
    for epoch in (1, 2):
        assert ("evaluation", epoch) in found
        assert ("checkpoint", epoch) in found
    assert ("model", 1) in found
    assert all(phase["seconds"] >= 0 for phase in phases)


def test_the_job_is_described(profile: Path):
    facts = json.loads((profile / "profile.json").read_text())
    assert facts["format_version"] == 1
    assert facts["job"] == "dogs"
    assert facts["device"] == "cpu"
    assert facts["processes"] == [{"rank": 0, "node": "algo-1", "local_rank": 0}]
    assert facts["batch_size"] == 8
    assert facts["workers"] == 1
    assert facts["pictures"] == {"train": 54, "validation": 7, "test": 6}
    assert facts["settings"]["model-type"] == "resnet18"
    assert facts["gpus"] == facts["peak_gpu_memory_bytes"] == []
    first, last = read_steps(profile)[0], read_steps(profile)[-1]
    assert facts["started"] < facts["training_started"] == pytest.approx(first["start"], abs=0.1)
    assert last["start"] + last["wall"] < facts["ended"]


def test_the_machine_is_sampled_under_sagemaker_s_names(profile: Path):
    files = sorted((profile / "system").rglob("*.json"))
    for file in files:
        assert re.search(r"/system/incremental/\d{10}/\d{10}\.algo-1\.json$", str(file))
    samples = [sample for file in files for sample in read_lines(file)]
    assert all(set(sample) == {"Type", "Name", "Dimension", "Value", "NodeId", "Timestamp"} for sample in samples)
    own = {(sample["Name"], sample["Dimension"]) for sample in samples if sample["Type"] == "process"}
    assert own >= {
        ("job", "CPUUtilization"),
        ("others", "CPUUtilization"),
        ("trainer", "CPUUtilization"),
        ("trainer", "ThreadsCPUWaitPercentage"),
        ("job", "InvoluntarySwitchesPerSecond"),
    }
    assert ("cpu", "StealPercentage") in {
        (sample["Name"], sample["Dimension"]) for sample in samples if sample["Type"] == "kernel"
    }
    samples = [sample for sample in samples if sample["Type"] not in ("process", "kernel")]
    kinds = {(sample["Type"], re.sub(r"\d+$", "", sample["Name"]), sample["Dimension"]) for sample in samples}
    assert kinds == {
        ("cpu", "cpu", "CPUUtilization"),
        ("cpu", "cpu", "I/OWaitPercentage"),
        ("memory", "MemoryUsedPercent", ""),
        ("memory", "process", "MemoryUsedBytes"),
        ("i/o", "IOPS", ""),
        ("i/o", "ReadThroughputInBytesPerSecond", ""),
        ("i/o", "WriteThroughputInBytesPerSecond", ""),
        ("network", "ReceiveBytesPerSecond", "Algorithm"),
        ("network", "TransmitBytesPerSecond", "Algorithm"),
    }
    cpus = {sample["Name"] for sample in samples if sample["Dimension"] == "CPUUtilization"}
    assert len(cpus) == len(os.sched_getaffinity(0))
    assert all(0 <= sample["Value"] <= 100 for sample in samples if sample["Type"] == "cpu")
    memory = [sample["Value"] for sample in samples if sample["Name"] == "process"]
    assert min(memory) > 100 * 2**20  # torch alone takes that


def test_the_window_has_a_trace_and_a_table_of_three_steps(profile: Path):
    with gzip.open(profile / "window" / "trace.json.gz") as file:
        trace = json.load(file)
    steps = [event for event in trace["traceEvents"] if event.get("name", "").startswith("ProfilerStep#")]
    assert len(steps) == 3
    table = json.loads((profile / "window" / "operators.json").read_text())
    assert (table["steps"], table["device"], table["kernels"]) == (3, "cpu", [])
    # An epoch of seven steps has no three left after the first five; the window does not go across its end.
    assert table["first_step"] == 8
    calls = {row["name"]: row["calls"] for row in table["operators"]}
    assert calls["aten::convolution_backward"] == 3 * 20  # ResNet-18 has twenty convolutions
    times = [row["self_cpu_us"] for row in table["operators"]]
    assert times == sorted(times, reverse=True)
    assert not (profile / "window" / "trace.json").exists()


def test_the_log_is_as_quiet_as_without_it(finished: tuple[JobDirectory, Result]):
    _, result = finished
    assert "ERROR" not in result.log
    assert "profiler" not in result.stdout.lower()


def timeline_files(job: JobDirectory) -> list[Path]:
    return sorted((job.base.parent / "Timeline" / "framework" / "pevents").rglob("*.json"))


def test_sagemaker_s_timeline_has_the_same_steps(finished: tuple[JobDirectory, Result], profile: Path):
    files = timeline_files(finished[0])
    assert len(files) > 1  # it asked for small ones
    found = []
    for file in files:
        assert re.search(r"/pevents/\d{10}/\d{16}_0-algo-1_pythontimeline\.json$", str(file))
        events = json.loads(file.read_text())
        origin = events[0]["args"]["start_time_since_epoch_in_micros"]
        steps = [event for event in events if event["name"] == "Step:ModeKeys.TRAIN" and event["ph"] == "X"]
        found += [(int(event["args"]["step_num"]), (origin + event["ts"]) / 1e6, event["dur"] / 1e6) for event in steps]
        named = {event["pid"] for event in events if event["name"] == "process_name"}
        assert {event["pid"] for event in events} == named
    for (number, start, seconds), step in zip(sorted(found), read_steps(profile), strict=True):
        assert number == step["step"]
        assert start == pytest.approx(step["start"], abs=1e-4)
        assert seconds == pytest.approx(step["wall"], abs=1e-4)


READ_WITH_SMDEBUG = """
import json, sys
from smdebug.profiler.algorithm_metrics_reader import LocalAlgorithmMetricsReader
from smdebug.profiler.system_metrics_reader import LocalSystemMetricsReader
found = {}
for name, reader in (("framework", LocalAlgorithmMetricsReader(sys.argv[1])), ("system", LocalSystemMetricsReader(sys.argv[2]))):
    events = reader.get_events(0, 4 * 10**15)
    found[name] = [event.event_name if name == "framework" else [event.type, event.name, event.dimension] for event in events]
print(json.dumps(found))
"""  # noqa: E501


def test_smdebug_reads_the_timeline_and_the_samples(finished: tuple[JobDirectory, Result], profile: Path):
    if not SMDEBUG.exists() and not os.environ.get("CI"):
        pytest.skip("no smdebug; docker/venv.sh smdebug makes its environment")
    job, _ = finished
    command = [str(SMDEBUG), "-c", READ_WITH_SMDEBUG, str(job.base.parent / "Timeline"), str(profile)]
    output = subprocess.run(command, capture_output=True, text=True)
    assert output.returncode == 0, output.stderr
    found = json.loads(output.stdout.splitlines()[-1])
    assert found["framework"].count("Step:ModeKeys.TRAIN") == 14
    assert found["framework"].count("Backward(post-forward)-node") == 14
    written = [sample for file in (profile / "system").rglob("*.json") for sample in read_lines(file)]
    assert len(found["system"]) == len(written)
    assert ["memory", "MemoryUsedPercent", ""] in found["system"]
