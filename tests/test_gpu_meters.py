"""Readings of GPUs; the real ones need one (see the profiler's tests)."""

import os
from pathlib import Path

import pynvml

from container.gpu_meters import GpuMeters, all_handles
from container.serve.watch.server_collector import ServerCollector


def test_what_a_gpu_does_not_tell_is_asked_once() -> None:
    asked: list[object] = []

    def refused(handle: object) -> float:
        asked.append(handle)
        raise pynvml.NVMLError(pynvml.NVML_ERROR_NOT_SUPPORTED)

    meters = GpuMeters(["first", None, "third"], {"memory": lambda handle: float(len(str(handle))), "power": refused})
    for _ in range(2):
        assert list(meters()) == [(0, "memory", 5.0), (2, "memory", 5.0)]
    assert asked == ["first", "third"]


def test_what_a_gpu_did_not_tell_once_is_asked_again() -> None:
    answers = iter([pynvml.NVMLError(pynvml.NVML_ERROR_TIMEOUT), 7.0])

    def read(_handle: object) -> float:
        answer = next(answers)
        if isinstance(answer, Exception):
            raise answer
        return answer

    meters = GpuMeters(["first"], {"power": read})
    assert list(meters()) == []
    assert list(meters()) == [(0, "power", 7.0)]


def test_every_gpu_of_the_machine_is_in_the_metrics(tmp_path: Path) -> None:
    """None on a machine without."""
    families = {family.name: family for family in ServerCollector(tmp_path, os.getpid(), use_gpus=True).collect()}
    totals = families["slipway_gpu_memory_total_bytes"].samples if all_handles() else []
    assert [sample.labels["gpu"] for sample in totals] == [str(index) for index in range(len(all_handles()))]
    without = ServerCollector(tmp_path, os.getpid(), use_gpus=False).collect()
    assert not any(family.name.startswith("slipway_gpu") for family in without)
