"""Drivers that fit and drivers that do not, by a library that stands for NVIDIA's; see nvml_stub.c."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from container import gpu
from container.contract.errors import DriverError, HyperparameterError
from container.train.loop.compiler import check_compiler
from tests.nvml import OLD_DRIVER, build_nvml_stub

FOR_13 = "torch is built for CUDA 13.0, which needs driver 580 or later"
DRIVER_535 = {"SLIPWAY_STUB_DRIVER": "535.216.01", "SLIPWAY_STUB_CUDA": "12020"}


@pytest.fixture(scope="module")
def stub(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build_nvml_stub(tmp_path_factory.mktemp("nvml"))


@pytest.fixture
def torch_for(tmp_path: Path):
    """`torch_for("13.0")` is a folder for PYTHONPATH with the one file of torch that is read."""

    def write(cuda: str | None) -> Path:
        package = tmp_path / "packages" / "torch"
        package.mkdir(parents=True, exist_ok=True)
        (package / "__init__.py").write_text("raise ImportError('torch was imported')\n")
        (package / "version.py").write_text(f"cuda = {cuda!r}\n")
        return package.parent

    return write


def look(packages: Path, libraries: Path | None = None, **settings: str) -> subprocess.CompletedProcess[str]:
    """What `gpu.look` says in a process that finds these libraries."""
    kept = {name: value for name, value in os.environ.items() if name not in ("CUDA_VISIBLE_DEVICES", gpu.SWITCH)}
    code = (
        "from container import gpu\nfrom container.contract import errors\n"
        "try:\n    found = gpu.look()\n    print(found.count, found.text)\n"
        "except errors.DriverError as error:\n    raise SystemExit(str(error))"
    )
    return subprocess.run(
        [sys.executable, "-c", code],
        env={
            **kept,
            "PYTHONPATH": f"{packages}:{Path(__file__).parents[1]}",
            "LD_LIBRARY_PATH": str(libraries or ""),
            **settings,
        },
        capture_output=True,
        text=True,
    )


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({}, f"1 NVIDIA driver 580.82.07 (CUDA 13.0), 1 x Stub GPU (16 GiB); {FOR_13}"),
        (
            {"SLIPWAY_STUB_GPUS": "8", "SLIPWAY_STUB_CUDA": "13020"},
            f"8 NVIDIA driver 580.82.07 (CUDA 13.2), 8 x Stub GPU (16 GiB); {FOR_13}",
        ),
        (
            {"SLIPWAY_STUB_GPUS": "4", "CUDA_VISIBLE_DEVICES": "1,2"},
            "2 NVIDIA driver 580.82.07 (CUDA 13.0), 4 x Stub GPU (16 GiB), of which CUDA_VISIBLE_DEVICES=1,2 leaves 2; "
            f"{FOR_13}",
        ),
        (
            # One that is too old does no harm where its GPU is not used.
            {"CUDA_VISIBLE_DEVICES": "", **OLD_DRIVER},
            "0 NVIDIA driver 470.57.02 (CUDA 11.4), 1 x Stub GPU (16 GiB), of which CUDA_VISIBLE_DEVICES= leaves 0; "
            "running on the CPU",
        ),
        (
            {"SLIPWAY_STUB_GPUS": "0", **OLD_DRIVER},
            "0 none found (NVIDIA driver 470.57.02 (CUDA 11.4) shows none); running on the CPU",
        ),
        # NOT_SUPPORTED: of a GPU that shares the host's memory.
        (
            {"SLIPWAY_STUB_MEMORY": "3"},
            f"1 NVIDIA driver 580.82.07 (CUDA 13.0), 1 x Stub GPU; {FOR_13}",
        ),
        # The library without the driver, as Debian's package gives it.
        ({"SLIPWAY_STUB_ERROR": "9"}, "0 none found (no NVIDIA driver); running on the CPU"),
    ],
)
def test_what_was_found_is_one_sentence(stub: Path, torch_for, settings: dict[str, str], said: str) -> None:
    assert look(torch_for("13.0"), stub, **settings).stdout == f"{said}\n"


@pytest.mark.skipif(gpu.find_driver() is not None, reason="this machine has an NVIDIA driver")
def test_no_driver_is_no_failure(torch_for) -> None:
    assert look(torch_for("13.0")).stdout == "0 none found (no NVIDIA driver); running on the CPU\n"


def test_a_torch_without_cuda_runs_on_the_cpu(stub: Path, torch_for) -> None:
    found = look(torch_for(None), stub, **OLD_DRIVER)
    assert (
        "0 NVIDIA driver 470.57.02 (CUDA 11.4), 1 x Stub GPU (16 GiB); no torch with CUDA is installed" in found.stdout
    )


def test_a_driver_that_is_too_old_is_refused_with_what_to_do(stub: Path, torch_for) -> None:
    refused = look(torch_for("13.0"), stub, **OLD_DRIVER)
    assert refused.returncode == 1
    [line] = refused.stderr.splitlines()
    assert line.startswith(
        "NVIDIA driver 470.57.02 (CUDA 11.4) is too old for this torch, which is built for CUDA 13.0 and needs driver "
        "580 or later: no image runs on this driver, as even CUDA 12 needs 525 or later; "
    )
    assert 'inference_ami_version="al2023-ami-sagemaker-inference-gpu-4-1"' in line
    assert 'use the image for CUDA 12 and set transform_ami_version="al2-ami-sagemaker-batch-gpu-535"' in line
    assert line.endswith("to run on the CPU, set SLIPWAY_USE_CUDA=false")
    assert len(line) < 1024, "the failure file holds it all"


def test_a_driver_for_cuda_12_is_told_which_image_runs_there(stub: Path, torch_for) -> None:
    refused = look(torch_for("13.0"), stub, **DRIVER_535)
    assert "use the image for CUDA 12, which runs on this driver: ./build.sh --cuda 12;" in refused.stderr
    found = look(torch_for("12.8"), stub, **DRIVER_535)
    assert found.stdout.endswith("; torch is built for CUDA 12.8, which needs driver 525 or later\n")


def test_an_image_for_cuda_12_names_its_own_driver_and_hosts(stub: Path, torch_for) -> None:
    refused = look(torch_for("12.8"), stub, **OLD_DRIVER)
    assert "is built for CUDA 12.8 and needs driver 525 or later: no image runs on this driver" in refused.stderr
    assert 'inference_ami_version="al2-ami-sagemaker-inference-gpu-3-1"' in refused.stderr
    assert 'for batch transform, set transform_ami_version="al2-ami-sagemaker-batch-gpu-535"' in refused.stderr


@pytest.mark.parametrize(("code", "reason"), [("18", "version mismatch"), ("999", "Unknown Error")])
def test_a_driver_that_does_not_answer_is_a_failure(stub: Path, torch_for, code: str, reason: str) -> None:
    refused = look(torch_for("13.0"), stub, SLIPWAY_STUB_ERROR=code)
    assert refused.returncode == 1
    [line] = refused.stderr.splitlines()
    assert line.startswith("the NVIDIA driver does not answer (")
    assert reason in line
    assert "SLIPWAY_USE_CUDA=false" in line


@pytest.mark.parametrize(
    ("cuda", "built_for", "needed"),
    [
        ((12, 2), "13.0", "580"),
        ((11, 4), "12.6", "525"),
        ((13, 0), "14.1", "a newer driver"),
        ((12, 2), "12.9", None),
        ((13, 0), "12.6", None),
        ((13, 0), "13.2", None),
    ],
)
def test_a_driver_runs_every_minor_version_of_its_cuda(cuda: tuple[int, int], built_for: str, needed: str | None):
    driver = gpu.Driver(version="1.2.3", cuda=cuda, gpus=())
    if needed is None:
        gpu.check_driver(driver, built_for)
    else:
        with pytest.raises(DriverError, match=f"built for CUDA {built_for} and needs .*{needed}"):
            gpu.check_driver(driver, built_for)


@pytest.mark.parametrize(("visible", "count"), [(None, 2), ("1", 1), ("0,1", 2), ("0,1,2", 2), ("", 0), ("-1", 0)])
def test_the_visible_devices_limit_the_count(visible: str | None, count: int) -> None:
    assert gpu.visible_count(2, visible) == count


def test_the_installed_torch_is_known_without_importing_it() -> None:
    import torch

    assert gpu.torch_cuda() == torch.version.cuda


@pytest.mark.parametrize(
    ("text", "wanted"), [("", True), ("true", True), ("1", True), ("false", False), ("False", False), ("0", False)]
)
def test_the_switch(text: str, wanted: bool) -> None:
    assert gpu.is_wanted({gpu.SWITCH: text}) is wanted


def test_a_switch_that_is_neither() -> None:
    with pytest.raises(DriverError, match="SLIPWAY_USE_CUDA is 'no thanks'; it must be true or false"):
        gpu.is_wanted({gpu.SWITCH: "no thanks"})


@pytest.mark.parametrize(
    ("on_gpu", "found"), [(False, ["g++"]), (True, ["gcc"]), (True, ["clang"]), (True, ["gcc", "clang"])]
)
def test_the_compiler_that_compile_calls_is_looked_for(tmp_path: Path, monkeypatch, on_gpu: bool, found: list[str]):
    monkeypatch.delenv("CC", raising=False)
    monkeypatch.delenv("CXX", raising=False)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(HyperparameterError, match=r"needs .* compiler .*, not found here: .*\./build.sh --compiler"):
        check_compiler(on_gpu=on_gpu)
    for name in found:
        (tmp_path / name).write_text("#!/bin/sh\n")
        (tmp_path / name).chmod(0o755)
    monkeypatch.setattr("sysconfig.get_path", lambda name: str(tmp_path))
    (tmp_path / "Python.h").touch()
    check_compiler(on_gpu=on_gpu)


def test_triton_and_pythons_headers_are_looked_for(tmp_path: Path, monkeypatch) -> None:
    compiler = tmp_path / "mycc"
    compiler.write_text("#!/bin/sh\n")
    compiler.chmod(0o755)
    monkeypatch.setenv("CC", str(compiler))
    monkeypatch.setitem(sys.modules, "triton", None)
    monkeypatch.setattr("sysconfig.get_path", lambda name: str(tmp_path))
    with pytest.raises(HyperparameterError, match="on a GPU needs the Python package triton and Python's headers, not"):
        check_compiler(on_gpu=True)
