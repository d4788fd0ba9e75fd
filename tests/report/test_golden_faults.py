"""A fault is planted in a real training job: the analysis that must fire does, and the others do not.

What no job on a CPU can bring about (a slow disk, a GPU by fits and starts) is planted in records: test_analyses.py.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest

from container.report.analyses import Finding, analyse
from container.report.profile_reading import read_profile
from tests.conftest import write_image_folder
from tests.nvml import build_nvml_stub
from tests.report import faults
from tests.report.planted_job import Plant, run_planted
from tests.train.conftest import SMALL, JobDirectory

# Two epochs of twelve steps. Only the head learns: reading and the optimizer are little beside forward.
SOUND = {
    **SMALL,
    "image-size": "96",
    "batch-size": "4",
    "freeze-epochs": "2",
    "augmentation": "none",
    "amp": "off",
    "use-cuda": "false",
}
TINY_BATCH = {"image-size": "32", "batch-size": "2", "freeze-epochs": "0", "epochs": "1"}

ON_A_GPU = {
    "LowGPUUtilization": "passed",
    "BatchSize": "passed",
    "CPUBottleneck": "passed",
    "IOBottleneck": "passed",
    "Dataloader": "passed",
    "GPUMemoryIncrease": "passed",
    "StepOutlier": "passed",
    "OtherPrograms": "passed",
    "CPUQuota": "passed",
    "CPUSteal": "passed",
    "HostMemory": "passed",
    "LoadBalancing": "no data",
    "MaxInitializationTime": "passed",
    "OverallSystemUsage": "information",
    "OverallFrameworkMetrics": "information",
}
"""What each analysis says of a sound job of one process."""

ON_A_CPU = {**ON_A_GPU, "LowGPUUtilization": "no data", "CPUBottleneck": "no data"}


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_image_folder(tmp_path_factory.mktemp("data") / "train", {"blue": 20, "green": 20, "red": 20})


@pytest.fixture(scope="module")
def stub(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build_nvml_stub(tmp_path_factory.mktemp("nvml"))


@pytest.fixture
def directory(tmp_path: Path, pictures: Path) -> JobDirectory:
    made = JobDirectory(tmp_path / "job")
    made.channel("train", pictures)
    return made


def findings(
    directory: JobDirectory,
    plant: Plant,
    settings: Mapping[str, str] | None = None,
    *,
    ranks: int = 1,
    stub: Path | None = None,
) -> dict[str, Finding]:
    directory.hyperparameters({**SOUND, **(settings or {})})
    profile = run_planted(directory, plant, ranks=ranks, stub=stub)
    return {finding.rule: finding for finding in analyse(read_profile(profile))}


def statuses(found: Mapping[str, Finding]) -> dict[str, str]:
    return {rule: finding.status for rule, finding in found.items()}


def test_nothing_fires_on_a_sound_job(directory: JobDirectory):
    assert statuses(findings(directory, faults.nothing)) == ON_A_CPU


def test_nothing_fires_on_a_sound_job_with_a_busy_gpu(directory: JobDirectory, stub: Path):
    assert statuses(findings(directory, faults.nothing, stub=stub)) == ON_A_GPU


def test_nothing_fires_on_a_sound_job_of_two_processes(directory: JobDirectory):
    found = findings(directory, faults.nothing, ranks=2)
    assert statuses(found) == {**ON_A_CPU, "LoadBalancing": "passed"}


@pytest.mark.parametrize(
    ("plant", "settings", "advice"),
    [
        (faults.a_loader_that_sleeps, {}, {"Dataloader": ["set num-workers=", "(now 0)"]}),
        (faults.an_optimizer_that_takes_longer_than_the_rest, TINY_BATCH, {"BatchSize": ["set batch-size=4 (now 2)"]}),
        (faults.a_leak_of_process_memory, {}, {"GPUMemoryIncrease": ["the job's processes", "num-workers"]}),
        (faults.one_very_long_step, {}, {"StepOutlier": ["1 of 1 long steps", "save interval of the debug hook"]}),
        (faults.a_slow_start, {}, {"MaxInitializationTime": ["FastFile", "compile=false"]}),
    ],
    ids=["a loader that sleeps", "a tiny batch", "a leak", "one very long step", "a slow start"],
)
def test_the_analysis_that_must_fire_does_and_names_what_to_set(
    directory: JobDirectory, plant: Plant, settings: Mapping[str, str], advice: Mapping[str, Sequence[str]]
):
    found = findings(directory, plant, settings)
    assert statuses(found) == {**ON_A_CPU, **dict.fromkeys(advice, "fired")}
    check_advice(found, advice)


@pytest.mark.parametrize(
    ("plant", "settings", "advice"),
    [
        # SageMaker's definitions overlap: LowGPUUtilization fires whatever leaves the GPU with little to do.
        (
            faults.a_loader_that_lets_a_gpu_idle,
            {},
            {"Dataloader": ["set num-workers="], "LowGPUUtilization": ["what to do about Dataloader"]},
        ),
        (
            faults.a_gpu_with_little_to_do,
            TINY_BATCH,
            {
                "BatchSize": ["set batch-size=4 (now 2)"],
                "LowGPUUtilization": ["what to do about BatchSize helps here too", "set amp=auto"],
            },
        ),
        (faults.a_leak_of_gpu_memory, {}, {"GPUMemoryIncrease": ["memory of gpu0, algo-1 grows", "debug=true"]}),
    ],
    ids=["a loader that sleeps", "a tiny batch", "a leak"],
)
def test_it_does_on_a_gpu_too(
    directory: JobDirectory,
    stub: Path,
    plant: Plant,
    settings: Mapping[str, str],
    advice: Mapping[str, Sequence[str]],
):
    found = findings(directory, plant, settings, stub=stub)
    assert statuses(found) == {**ON_A_GPU, **dict.fromkeys(advice, "fired")}
    check_advice(found, advice)


def test_one_slow_rank_of_two_is_named(directory: JobDirectory):
    found = findings(directory, faults.one_slow_rank, ranks=2)
    assert statuses(found) == {**ON_A_CPU, "LoadBalancing": "fired"}
    assert found["LoadBalancing"].measured.startswith("rank 1: ")
    check_advice(found, {"LoadBalancing": ["rank 1 on algo-1", "most of it in data", "set num-workers="]})


def check_advice(found: Mapping[str, Finding], parts: Mapping[str, Sequence[str]]) -> None:
    for rule in parts:
        text = " ".join(advice.text for advice in found[rule].advice)
        for part in parts[rule]:
            assert part in text
