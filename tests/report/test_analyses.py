"""A fault is planted in the record of a sound job: the analysis that must fire does, and the others do not."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from container.report.analyses import Finding, analyse
from container.report.analyses.steps import outlier_table
from container.report.profile_reading import read_profile
from tests.report.records import PlannedJob

Plant = Callable[[PlannedJob], None]


def fired(job: PlannedJob, directory: Path) -> dict[str, Finding]:
    findings = analyse(read_profile(job.write(directory / "profile")))
    assert len(findings) == 15
    return {finding.rule: finding for finding in findings if finding.fired}


def a_loader_that_sleeps(job: PlannedJob) -> None:
    job.phases["data"] = 0.24


def a_leak_of_process_memory(job: PlannedJob) -> None:
    job.system[("memory", "process", "MemoryUsedBytes")] = lambda share: 900e6 + 700e6 * share


def a_leak_of_host_memory(job: PlannedJob) -> None:
    job.system[("memory", "MemoryUsedPercent", "")] = lambda share: 40 + 30 * share
    job.system[("process", "job", "MemoryUsedPercent")] = lambda share: 12 + 28 * share


def a_leak_of_gpu_memory(job: PlannedJob) -> None:
    job.system[("gpu", "gpu0", "GPUMemoryUtilization")] = lambda share: 70 + 20 * share


def outlier_steps(job: PlannedJob) -> None:
    def change(rank: int, step: int, phases: dict[str, float]) -> None:
        if step % 16 == 5:
            phases["data"] += 2.0

    job.change_step = change


def one_very_long_step(job: PlannedJob) -> None:
    def change(rank: int, step: int, phases: dict[str, float]) -> None:
        if step == 120:
            phases["optimizer"] += 15.0

    job.change_step = change


def a_slow_start(job: PlannedJob) -> None:
    job.initialization_s = 25 * 60
    job.interval_s = 4


def waiting_for_the_disk(job: PlannedJob) -> None:
    job.system[("cpu", "cpu1", "I/OWaitPercentage")] = lambda share: 80.0


def a_tiny_batch(job: PlannedJob) -> None:
    job.batch_size = 2
    job.phases |= {"forward": 0.01, "backward": 0.03}


def a_tiny_batch_on_a_gpu(job: PlannedJob) -> None:
    job.system[("gpu", "gpu0", "GPUUtilization")] = lambda share: 35.0
    job.system[("gpu", "gpu0", "GPUMemoryUtilization")] = lambda share: 8.0
    for core in range(job.cpus):
        job.system[("cpu", f"cpu{core}", "CPUUtilization")] = lambda share: 30.0


def a_gpu_by_fits_and_starts(job: PlannedJob) -> None:
    job.system[("gpu", "gpu0", "GPUUtilization")] = lambda share: 95.0 if int(share * 100) % 10 else 2.0


def busy_cpus_and_an_idle_gpu(job: PlannedJob) -> None:
    job.system[("gpu", "gpu0", "GPUUtilization")] = lambda share: 4.0
    job.system[("cpu", "cpu0", "CPUUtilization")] = lambda share: 99.0


def one_slow_rank(job: PlannedJob) -> None:
    """The others wait for it where backward adds up the gradients."""

    def change(rank: int, step: int, phases: dict[str, float]) -> None:
        if rank == 2:
            phases["forward"] += 0.08
        else:
            phases["backward"] += 0.08

    job.change_step = change


def the_first_rank_is_slow(job: PlannedJob) -> None:
    """The others wait for it where it sends its batch statistics, when forward begins."""

    def change(rank: int, step: int, phases: dict[str, float]) -> None:
        # Below what Dataloader calls waiting.
        phases["copy" if rank == 0 else "forward"] += 0.08

    job.change_step = change


@pytest.mark.parametrize("device", ["cpu", "cuda"])
@pytest.mark.parametrize("ranks", [1, 4])
def test_nothing_fires_on_a_sound_job(tmp_path: Path, device: str, ranks: int):
    assert fired(PlannedJob(device=device, ranks=ranks), tmp_path) == {}


@pytest.mark.parametrize(
    ("device", "ranks", "plant", "expected"),
    [
        ("cpu", 1, a_loader_that_sleeps, {"Dataloader"}),
        ("cpu", 1, a_leak_of_process_memory, {"GPUMemoryIncrease"}),
        ("cpu", 1, a_leak_of_host_memory, {"GPUMemoryIncrease"}),
        ("cuda", 1, a_leak_of_gpu_memory, {"GPUMemoryIncrease"}),
        ("cpu", 1, one_very_long_step, {"StepOutlier"}),
        ("cuda", 1, a_slow_start, {"MaxInitializationTime"}),
        ("cpu", 1, waiting_for_the_disk, {"IOBottleneck"}),
        ("cpu", 1, a_tiny_batch, {"BatchSize"}),
        # SageMaker's definitions of the two overlap: a GPU with little to do is what both look for.
        ("cuda", 1, a_tiny_batch_on_a_gpu, {"BatchSize", "LowGPUUtilization"}),
        ("cuda", 1, a_gpu_by_fits_and_starts, {"LowGPUUtilization"}),
        ("cuda", 1, busy_cpus_and_an_idle_gpu, {"CPUBottleneck", "LowGPUUtilization"}),
        ("cpu", 4, one_slow_rank, {"LoadBalancing"}),
        ("cpu", 4, the_first_rank_is_slow, {"LoadBalancing"}),
    ],
    ids=lambda value: value.__name__ if callable(value) else None,
)
def test_the_analysis_that_must_fire_does(tmp_path: Path, device: str, ranks: int, plant: Plant, expected: set[str]):
    job = PlannedJob(device=device, ranks=ranks)
    plant(job)
    found = fired(job, tmp_path)
    assert found.keys() == expected
    for finding in found.values():
        assert finding.advice
        assert finding.measured
        assert finding.threshold


def test_waiting_for_the_first_process_to_write_the_model_is_nobodys_own_work(tmp_path: Path):
    def change(rank: int, step: int, phases: dict[str, float]) -> None:
        if rank and step % 50 == 1 and step > 1:
            phases["forward"] += 4.0

    assert "LoadBalancing" not in fired(PlannedJob(ranks=2, change_step=change), tmp_path)


def test_steps_that_wait_now_and_then_are_outliers_and_named(tmp_path: Path):
    job = PlannedJob()
    outlier_steps(job)
    found = fired(job, tmp_path)
    # Workers that fall behind now and then make the loop wait, too.
    assert found.keys() == {"StepOutlier", "Dataloader"}
    table = outlier_table(read_profile(tmp_path / "profile").steps[0])
    assert {int(row[0]) % 16 for row in table.rows} == {5}
    assert {row[3] for row in table.rows} == {"data"}
    assert "num-workers" in found["StepOutlier"].advice[0].text


def test_the_gain_of_more_workers_is_computed_from_the_record(tmp_path: Path):
    """One worker reads a batch in the time of a step; two in half of it, but computing does not shrink."""
    job = PlannedJob(workers=1, cpus=8)
    job.phases = {"data": 0.28, "copy": 0.0, "forward": 0.04, "backward": 0.05, "optimizer": 0.008, "debugger": 0.0}
    advice = fired(job, tmp_path)["Dataloader"].advice[0]
    assert "num-workers=4 (now 1)" in advice.text
    assert advice.times_as_fast == pytest.approx(3.8, rel=0.05)  # a step of 0.38 s, of which 0.1 s is computing


@pytest.mark.parametrize(
    ("disk", "asleep", "ran", "first"),
    [(8.0, 0.0, 86.0, "IOBottleneck"), (0.0, 8.0, 86.0, "Dataloader"), (0.0, 0.0, 98.0, "Dataloader")],
    ids=["the disk", "something else", "decoding"],
)
def test_what_reading_waits_for_is_told_from_what_it_computes(
    tmp_path: Path, disk: float, asleep: float, ran: float, first: str
):
    """The training process reads by itself, in a sixth of the time; a few samples say what it waits for then."""
    job = PlannedJob(workers=0)
    job.phases["data"] = 0.065
    for dimension, value in {
        "DiskWaitPercentage": disk,
        "SleepPercentage": asleep,
        "CPUUtilization": ran,
        "CPUWaitPercentage": 1.0,
    }.items():
        job.system[("process", "trainer", dimension)] = lambda share, value=value: value
    found = fired(job, tmp_path)
    assert next(iter(found)) == first
    assert ("IOBottleneck" in found) == (disk > 0)
    if disk:
        assert found["IOBottleneck"].gain == pytest.approx(1 / (1 - 0.13), rel=0.02)
        assert "see IOBottleneck" in found["Dataloader"].advice[0].text


def test_all_cpus_are_reading_already(tmp_path: Path):
    job = PlannedJob(workers=4, cpus=4)
    a_loader_that_sleeps(job)
    advice = fired(job, tmp_path)["Dataloader"].advice[0]
    assert "num-workers" not in advice.text
    for remedy in ("more vCPUs", "image-size=224", "augmentation=light"):
        assert remedy in advice.text


def test_the_straggler_is_named_with_what_it_costs(tmp_path: Path):
    job = PlannedJob(ranks=4)
    one_slow_rank(job)
    finding = fired(job, tmp_path)["LoadBalancing"]
    assert "rank 2" in finding.measured
    assert "most of it in forward" in finding.advice[0].text
    assert finding.advice[0].times_as_fast == pytest.approx(0.41 / 0.33, rel=0.05)


def test_a_gpu_analysis_of_a_job_without_one_says_so(tmp_path: Path):
    findings = {finding.rule: finding for finding in analyse(read_profile(PlannedJob().write(tmp_path / "profile")))}
    for rule in ("LowGPUUtilization", "CPUBottleneck"):
        assert findings[rule].status == "no data"
        assert findings[rule].measured == "this job ran without a GPU"
    assert findings["LoadBalancing"].measured == "this job had one process"


def test_a_doubled_batch_is_weighed_against_the_gpus_memory(tmp_path: Path):
    job = PlannedJob(device="cuda")
    a_tiny_batch_on_a_gpu(job)
    texts = " ".join(advice.text for advice in fired(job, tmp_path)["BatchSize"].advice)
    assert "batch-size=128 (now 64)" in texts
    assert "75 % of its memory" in texts


@pytest.mark.parametrize(("precision", "named"), [("fp32", {"amp=auto", "compile=true"}), ("fp16", {"compile=true"})])
def test_faster_kernels_are_advised_as_far_as_they_are_off(tmp_path: Path, precision: str, named: set[str]):
    job = PlannedJob(device="cuda")
    a_gpu_by_fits_and_starts(job)
    profile = replace(read_profile(job.write(tmp_path / "profile")), precision=precision)
    findings = {finding.rule: finding for finding in analyse(profile)}
    texts = " ".join(advice.text for advice in findings["LowGPUUtilization"].advice)
    assert {setting for setting in ("amp=auto", "compile=true") if setting in texts} == named
