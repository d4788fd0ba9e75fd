"""Checks the GPU and its driver against the CUDA of the images, or of the torch that is installed here."""

import re
import runpy
import shutil
from collections import Counter
from collections.abc import Iterator, Mapping
from importlib.util import find_spec
from pathlib import Path

from slipway.doctor.docker import CUDA, OLDEST_DRIVER, image_labels, run
from slipway.doctor.finding import Finding
from slipway.hosts.drivers import CUDAS

_UPDATE = "update NVIDIA's driver, or run on the CPU: SLIPWAY_USE_CUDA=false"


def check_gpu() -> Iterator[Finding]:
    """Find the GPUs, and whether the driver is new enough."""
    if shutil.which("nvidia-smi") is None:
        yield Finding(name="GPU", status="ok", text="no NVIDIA driver; what runs here runs on the CPU")
        return
    listed, table = run("nvidia-smi", "--query-gpu=name,driver_version", "--format=csv,noheader"), run("nvidia-smi")
    if not listed or not table:
        remedy = "run nvidia-smi, which says why; often a restart after an update of the driver helps"
        yield Finding(name="GPU", status="failed", text="NVIDIA's driver does not answer", remedy=remedy)
        return
    rows = [line.rpartition(", ") for line in listed.strip().splitlines()]
    driver = rows[0][2]
    cuda = re.search(r"CUDA Version: (\d+)\.(\d+)", table)
    supported = f" (CUDA {cuda[1]}.{cuda[2]})" if cuda else ""
    gpus = ", ".join(f"{count} x {name}" for name, count in Counter(row[0] for row in rows).items())
    yield Finding(name="GPU", status="ok", text=f"{gpus}; driver {driver}{supported}")
    labels = {f"slipway:{target}": image_labels(target) for target in ("train", "serve")}
    for name, found in labels.items():
        if found and CUDA in found:
            yield driver_suits(name, found, driver)
    built_for = torch_cuda()
    if built_for and cuda and int(cuda[1]) < int(built_for.partition(".")[0]):
        text = f"too old for the torch that is installed here, which is built for CUDA {built_for}"
        yield Finding(name="driver", status="failed", text=text, remedy=_UPDATE)


def driver_suits(image: str, labels: Mapping[str, str], driver: str) -> Finding:
    """Compare the driver with what an image needs, as the image does when it starts.

    Args:
        image: Name of the image.
        labels: Its labels.
        driver: Version of the driver, such as 580.82.07.
    """
    oldest = labels.get(OLDEST_DRIVER, "0")
    if int(driver.partition(".")[0]) < int(oldest.partition(".")[0]):
        text = f"too old for {image}, whose CUDA {labels[CUDA]} needs {oldest} or later"
        fitting = [cuda for cuda, need in CUDAS.items() if int(driver.partition(".")[0]) >= need.driver]
        other = f"build the images for CUDA {fitting[0]}: ./build.sh --cuda {fitting[0]}; or " if fitting else ""
        return Finding(name="driver", status="failed", text=text, remedy=f"{other}{_UPDATE}")
    return Finding(name="driver", status="ok", text=f"new enough for {image} (CUDA {labels[CUDA]})")


def torch_cuda() -> str | None:
    """CUDA version that the installed torch is built for; None without torch, or for a build without CUDA.

    It is read from torch's version file, because importing torch takes seconds.
    """
    spec = find_spec("torch")
    if spec is None or spec.origin is None:
        return None
    found: str | None = runpy.run_path(str(Path(spec.origin).with_name("version.py"))).get("cuda")
    return found
