"""What the profiler reads of the machine, of its limits, and of the job's own processes."""

import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from container.train.profiler.host_readings import HostReadings
from container.train.profiler.kernel_readings import KernelReadings
from container.train.profiler.process_readings import ProcessReadings


@pytest.mark.parametrize("version", [1, 2])
def test_a_container_s_own_limits_are_what_is_full(tmp_path: Path, version: int):
    """One CPU's worth of time and a gigabyte of memory, half of which is used beside what files could give back."""
    stat = tmp_path / "cpu.stat" if version == 2 else tmp_path / "cpuacct" / "cpuacct.usage"
    names = {
        2: ("cpu.max", "memory.max", "memory.current", "memory.stat", "inactive_file"),
        1: (
            "cpu/cpu.cfs_quota_us",
            "memory/memory.limit_in_bytes",
            "memory/memory.usage_in_bytes",
            "memory/memory.stat",
            "total_inactive_file",
        ),
    }[version]
    texts = ["100000 100000" if version == 2 else "100000", str(2**30), str(3 * 2**28), f"{names[4]} {2**28}\nanon 0"]
    for name, text in zip(names, texts, strict=False):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    (tmp_path / "cpu").mkdir(exist_ok=True)
    (tmp_path / "cpu" / "cpu.cfs_period_us").write_text("100000")
    stat.parent.mkdir(exist_ok=True)
    stat.write_text("usage_usec 0\nuser_usec 0" if version == 2 else "0")
    readings = HostReadings(tmp_path)
    # A day of CPU time since: whatever passed on this clock, that is all it may use.
    stat.write_text("usage_usec 86400000000\nuser_usec 0" if version == 2 else "86400000000000")
    values = {(reading.name, reading.dimension): reading.value for reading in readings()}
    assert values["MemoryUsedPercent", ""] == pytest.approx(50)
    assert values["cpu0", "CPUUtilization"] == 100
    assert ("cpu1", "CPUUtilization") not in values


def test_what_other_programs_take_is_read_beside_the_job_s_own(tmp_path: Path):
    """A tree of one process works, and another process beside it."""
    works = "while True: pass"
    with (
        subprocess.Popen([sys.executable, "-c", works]) as mine,
        subprocess.Popen([sys.executable, "-c", works]) as other,
    ):
        try:
            readings = ProcessReadings(mine.pid, mine.pid, 2**40)
            used = {mine.pid: 0.0, other.pid: 0.0}
            while min(used.values()) < 0.3:
                used = {pid: sum(psutil.Process(pid).cpu_times()[:2]) for pid in used}
            values = {(each.name, each.dimension): each.value for _ in range(2) for each in readings()}
        finally:
            mine.kill()
            other.kill()
    assert values["job", "CPUUtilization"] > 0
    assert values["others", "CPUUtilization"] > 0
    assert values["trainer", "CPUUtilization"] == pytest.approx(values["job", "CPUUtilization"], abs=25)
    assert values["trainer", "CPUUtilization"] + values["trainer", "CPUWaitPercentage"] <= 115
    assert 0 < values["job", "MemoryUsedPercent"] < 1
    assert values["job", "InvoluntarySwitchesPerSecond"] >= 0


def test_a_process_that_reads_by_itself_is_asked_what_it_waits_for():
    with subprocess.Popen(["sleep", "1000"]) as mine:
        try:
            readings = ProcessReadings(mine.pid, mine.pid, 2**40)
            while psutil.Process(mine.pid).status() != psutil.STATUS_SLEEPING:
                pass
            values = {(each.name, each.dimension): each.value for _ in range(2) for each in readings()}
        finally:
            mine.kill()
    assert values["trainer", "SleepPercentage"] == 100
    assert values["trainer", "DiskWaitPercentage"] == 0


@pytest.mark.parametrize("version", [1, 2])
def test_a_container_s_throttling_and_pressure_are_read(tmp_path: Path, version: int):
    stat = tmp_path / "cpu.stat" if version == 2 else tmp_path / "cpu" / "cpu.stat"
    stat.parent.mkdir(exist_ok=True)
    time_of, unit = ("throttled_usec", 10**6) if version == 2 else ("throttled_time", 10**9)
    stat.write_text(f"nr_periods 10\nnr_throttled 0\n{time_of} 0\n")
    machine = tmp_path / "pressure"
    machine.mkdir()
    for name in ("cpu", "io"):
        (machine / name).write_text("some avg10=0.00 avg60=0.00 avg300=0.00 total=5\nfull avg10=0.00 total=0\n")
    readings = KernelReadings(tmp_path, machine)
    stat.write_text(f"nr_periods 30\nnr_throttled 15\n{time_of} {86400 * unit}\n")
    (machine / "io").write_text("some avg10=0.00 avg60=0.00 avg300=0.00 total=86400000005\n")
    values = {(each.name, each.dimension): each.value for each in readings()}
    assert values["cpu", "ThrottledPercentage"] == 75
    assert values["cpu", "ThrottledTimePercentage"] > 100
    assert 0 <= values["cpu", "StealPercentage"] <= 100
    assert values["cpu", "PressurePercentage"] == 0
    assert values["io", "PressurePercentage"] == 100
    assert ("memory", "PressurePercentage") not in values
