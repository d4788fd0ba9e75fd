"""What slows a job is planted in its record, alone and two at a time: the right cause is named first, with its gain.

A record is that of a job whose steps and samples follow from a few measured quantities: how long a step's work takes on
a CPU of its own, and what the plant takes from it.
"""

from dataclasses import dataclass, field, replace
from itertools import combinations
from pathlib import Path

import pytest

from container.report.analyses import Finding, analyse
from container.report.profile_reading import read_profile
from container.report.profile_record import Profile
from container.report.profiler_page import render_profiler_page
from tests.report.records import PROCESSES, QUIET, PlannedJob

NEIGHBOUR, QUOTA, STEAL, MEMORY = "OtherPrograms", "CPUQuota", "CPUSteal", "HostMemory"
DISK, READER, BATCH = "IOBottleneck", "Dataloader", "BatchSize"
PLANTS = (NEIGHBOUR, QUOTA, MEMORY, DISK, READER, BATCH)
WITHIN = 1.5


@dataclass(frozen=True)
class Slowed:
    """A job on two CPUs, with one thread and one DataLoader worker."""

    plants: frozenset[str]
    fair_share: float = 0.45
    """CPUs that it gets beside neighbours that want all."""
    quota: float = 0.35
    """In CPUs."""
    read_s: float = 0.45
    """Seconds in which a slow reader brings a batch; a second one halves it."""
    disk_s: float = 1.2
    """Seconds in which a slow disk brings a batch."""
    work_s: float = 0.3
    """Seconds of forward and backward on a CPU of its own."""
    fixed_s: float = 0.022
    """Seconds of the optimizer's work, once a step, whatever its batch."""
    layers_s: float = 0.0
    """Likewise of forward and backward; such a job has timed its steps."""
    settings: dict[str, int] = field(default_factory=dict)

    @property
    def batch(self) -> int:
        return self.settings.get("batch-size", 2 if BATCH in self.plants else 64)

    @property
    def workers(self) -> int:
        return self.settings.get("num-workers", 1)

    @property
    def speed(self) -> float:
        """CPUs that it gets."""
        share = self.fair_share if NEIGHBOUR in self.plants else 1.0
        return min(share, self.quota) if QUOTA in self.plants else share

    @property
    def work(self) -> float:
        """CPU seconds of a step."""
        growing = 0.02 * self.batch if BATCH in self.plants else self.work_s * self.batch / 64
        return growing + self.layers_s + self.fixed_s

    @property
    def reading(self) -> float:
        """Seconds in which all workers together bring a batch."""
        reader = self.read_s * (self.batch / 64 if BATCH not in self.plants else 0.1 * self.batch)
        disk = self.disk_s * (self.batch / 64 if BATCH not in self.plants else 0.1 * self.batch)
        return reader * (READER in self.plants) / self.workers + disk * (DISK in self.plants)

    @property
    def step(self) -> float:
        return max(self.work / self.speed, self.reading, 1e-3)

    @property
    def pictures_a_second(self) -> float:
        return self.batch / self.step

    def without(self, cause: str) -> "Slowed":
        """The job once the advice for a cause is followed."""
        if cause == READER:
            return replace(self, settings={**self.settings, "num-workers": 2})
        if cause == BATCH:
            return replace(self, settings={**self.settings, "batch-size": 2 * self.batch})
        return replace(self, plants=self.plants - {cause})

    def write(self, directory: Path) -> Profile:
        computing = self.work / self.speed
        whole = self.step
        job = PlannedJob(
            workers=self.workers, cpus=2, batch_size=self.batch, steps_per_epoch=max(10, int(25 / whole)), epochs=2
        )
        if self.layers_s:
            job.step_seconds = {str(each.batch): each.work for each in (self, self.without(BATCH))}
        part = (self.work - self.fixed_s) / self.work * computing
        job.phases |= {
            "data": whole - computing + 0.001,
            "copy": 0.0,
            "forward": part / 3,
            "backward": part * 2 / 3,
            "optimizer": computing - part,
        }
        for (name, dimension), value in (QUIET | self._figures(computing, whole)).items():
            kind = "process" if name in PROCESSES else "kernel"
            job.system[(kind, name, dimension)] = lambda share, value=value: value
        if MEMORY in self.plants:
            job.system[("memory", "MemoryUsedPercent", "")] = lambda share: 40 + 50 * share
        return read_profile(job.write(directory))

    def _figures(self, computing: float, whole: float) -> dict[tuple[str, str], float]:
        ran, stood = 100 * self.work / whole, 100 * (computing - self.work) / whole
        reads = READER in self.plants or DISK in self.plants
        figures = {
            ("job", "CPUUtilization"): ran + 3,
            ("job", "CPUWaitPercentage"): stood + 1,
            ("trainer", "CPUUtilization"): ran,
            ("trainer", "CPUWaitPercentage"): stood,
            ("trainer", "ThreadsCPUWaitPercentage"): stood,
            ("readers", "DiskWaitPercentage"): 100 * 0.95 * self._disk_share if reads else 0.0,
            ("readers", "CPUUtilization"): 3.0,
        }
        if NEIGHBOUR in self.plants:
            figures |= {("others", "CPUUtilization"): 190.0 - ran}
        if QUOTA in self.plants:
            share = self.fair_share if NEIGHBOUR in self.plants else 1.0
            # After the quota is used up at that speed, nothing runs.
            idle = 1 - self.quota / share
            figures |= {
                ("cpu", "ThrottledPercentage"): 100.0 * (idle > 0),
                ("cpu", "ThrottledTimePercentage"): 100 * max(0.0, idle) * computing / whole,
            }
        return figures

    @property
    def _disk_share(self) -> float:
        alone = replace(self, plants=self.plants - {READER}).reading
        return alone / self.reading if DISK in self.plants else 0.0


def fired(profile: Profile) -> list[Finding]:
    return [finding for finding in analyse(profile) if finding.fired]


def best(job: Slowed) -> str:
    """The cause whose removal helps most; a machine that is not the job's own comes first."""
    gains = {cause: job.without(cause).pictures_a_second / job.pictures_a_second for cause in job.plants}
    machine = [cause for cause in gains if cause in (NEIGHBOUR, QUOTA) and gains[cause] > 1.12]
    return max(machine or gains, key=lambda cause: gains[cause])


@pytest.mark.parametrize("plants", [*combinations(PLANTS, 1), *combinations(PLANTS, 2)], ids=" and ".join)
def test_the_cause_is_named_first_with_the_gain_that_following_it_has(tmp_path: Path, plants: tuple[str, ...]):
    job = Slowed(frozenset(plants))
    first = fired(job.write(tmp_path / "profile"))[0]
    assert first.rule == best(job)
    had = job.without(first.rule).pictures_a_second / job.pictures_a_second
    assert had / WITHIN <= first.gain <= had * WITHIN


@pytest.mark.parametrize("plants", [(BATCH,), (BATCH, NEIGHBOUR), (BATCH, QUOTA), (BATCH, READER)], ids=" and ".join)
def test_what_layers_do_once_a_step_counts_where_it_was_timed(tmp_path: Path, plants: tuple[str, ...]):
    job = Slowed(frozenset(plants), layers_s=0.06, read_s=1.5)
    found = fired(job.write(tmp_path / "profile"))
    assert found[0].rule == best(job)
    had = job.without(found[0].rule).pictures_a_second / job.pictures_a_second
    assert had / WITHIN <= found[0].gain <= had * WITHIN


def test_a_larger_batch_promises_nothing_while_the_loop_waits_for_workers(tmp_path: Path):
    job = Slowed(frozenset({BATCH, READER}), layers_s=0.2, read_s=1.5)
    found = {finding.rule: finding for finding in fired(job.write(tmp_path / "profile"))}
    assert next(iter(found)) == READER
    assert found[BATCH].gain == 1.0
    assert "once the loop waits no longer for data" in found[BATCH].advice[0].text


def test_an_ordinary_batch_is_not_called_small(tmp_path: Path):
    """A third of its work is done once a step."""
    job = Slowed(frozenset(), layers_s=0.11, settings={"batch-size": 64})
    assert fired(job.write(tmp_path / "profile")) == []


def test_a_heading_names_the_programs_and_no_memory(tmp_path: Path):
    """The job of a busy machine whose memory another program takes."""
    profile = Slowed(frozenset({NEIGHBOUR, MEMORY})).write(tmp_path / "profile")
    found = analyse(profile)
    page = render_profiler_page(profile, found, {})
    assert "Other programs took the CPUs: without that, it would be about 2.2 times as fast" in page
    assert "GPUMemoryIncrease" not in [finding.rule for finding in found if finding.fired]
    assert "it will be full in" not in page


def test_stolen_time_is_named(tmp_path: Path):
    job = PlannedJob()
    job.system[("kernel", "cpu", "StealPercentage")] = lambda share: 40.0
    first = fired(read_profile(job.write(tmp_path / "profile")))[0]
    assert first.rule == STEAL
    assert first.gain == pytest.approx(1 / 0.6, rel=0.01)


def test_long_steps_of_a_job_that_waits_for_cpus_are_not_blamed_on_a_phase(tmp_path: Path):
    def change(rank: int, step: int, phases: dict[str, float]) -> None:
        if step % 16 == 5:
            phases["backward"] += 2.0

    job = PlannedJob(change_step=change)
    for name, value in (("trainer", 40.0), ("others", 180.0)):
        job.system[("process", name, "CPUUtilization")] = lambda share, value=value: value
    job.system[("process", "trainer", "ThreadsCPUWaitPercentage")] = lambda share: 55.0
    found = {finding.rule: finding for finding in fired(read_profile(job.write(tmp_path / "profile")))}
    assert next(iter(found)) == NEIGHBOUR
    assert [advice.text for advice in found["StepOutlier"].advice] == [
        "the job had to wait for CPUs, which makes any phase of any step long: see OtherPrograms"
    ]


def test_no_advice_is_given_twice(tmp_path: Path):
    job = PlannedJob(device="cuda")
    job.phases["data"] = 0.5
    job.system[("gpu", "gpu0", "GPUUtilization")] = lambda share: 4.0
    job.system[("cpu", "cpu0", "CPUUtilization")] = lambda share: 99.0
    found = fired(read_profile(job.write(tmp_path / "profile")))
    assert {"Dataloader", "LowGPUUtilization", "CPUBottleneck"} <= {finding.rule for finding in found}
    texts = [advice.text for finding in found for advice in finding.advice if "helps here too" not in advice.text]
    assert len(texts) == len(set(texts))
    assert " ".join(texts).count("set num-workers=") == 1


def test_a_profile_without_the_jobs_own_figures_is_read_as_before(tmp_path: Path):
    job = PlannedJob()
    job.system = {key: value for key, value in job.system.items() if key[0] not in ("process", "kernel")}
    job.system[("memory", "MemoryUsedPercent", "")] = lambda share: 40 + 30 * share
    findings = {finding.rule: finding for finding in analyse(read_profile(job.write(tmp_path / "profile")))}
    for rule in (NEIGHBOUR, QUOTA, STEAL, MEMORY):
        assert findings[rule].status == "no data"
    assert findings["GPUMemoryIncrease"].fired


def test_a_job_without_a_plant_runs_well(tmp_path: Path):
    assert fired(Slowed(frozenset()).write(tmp_path / "profile")) == []
