"""The images on hosts with an old NVIDIA driver. The driver's library is a stub; see tests/nvml.py."""

from pathlib import Path

from tests.conftest import write_image_folder
from tests.images.containers import Docker, Images, as_sagemaker_mounts, serving
from tests.nvml import OLD_DRIVER, build_nvml_stub
from tests.train.conftest import SMALL, JobDirectory


def old_driver(directory: Path) -> list[str]:
    """Arguments of `docker run`: a host whose driver is too old, as NVIDIA's toolkit mounts its library."""
    library = build_nvml_stub(directory) / "libnvidia-ml.so.1"
    settings = [f"--env={name}={value}" for name, value in OLD_DRIVER.items()]
    return [f"--volume={library}:/usr/local/nvidia/lib64/libnvidia-ml.so.1:ro", *settings]


def check_refusal(docker: Docker, image: str, text: str) -> None:
    """The refusal names what this image needs, which its label has too."""
    oldest = docker.inspect(image)["Config"]["Labels"]["slipway.nvidia-driver.minimum"]
    assert "NVIDIA driver 470.57.02 (CUDA 11.4) is too old" in text
    assert f"needs driver {oldest} or later" in text
    ami = {"525": "al2-ami-sagemaker-inference-gpu-3-1", "580": "al2023-ami-sagemaker-inference-gpu-4-1"}[oldest]
    assert f'inference_ami_version="{ami}"' in text


def test_training_with_a_driver_that_is_too_old(docker: Docker, images: Images, job: JobDirectory, tmp_path: Path):
    write_image_folder(job.base / "input" / "data" / "train", {"red": 16, "blue": 16})
    job.hyperparameters({**SMALL, "epochs": "1"})
    refused = docker.run(*as_sagemaker_mounts(job), *old_driver(tmp_path), images.train)
    assert refused.code == 1
    check_refusal(docker, images.train, job.failure)
    assert "Traceback" not in refused.log


def test_serving_with_a_driver_that_is_too_old(docker: Docker, images: Images, trained: JobDirectory, tmp_path: Path):
    refused = docker.run(
        "--network=none", f"--volume={trained.model}:/opt/ml/model:ro", *old_driver(tmp_path), images.serve
    )
    assert refused.code == 1
    assert len(refused.stderr.splitlines()) == 1
    check_refusal(docker, images.serve, refused.stderr)

    switch = "--env=SLIPWAY_USE_CUDA=false"
    with serving(docker, images.serve, trained.model, *old_driver(tmp_path), switch) as server:
        server.await_ready()
        assert "not used (SLIPWAY_USE_CUDA is false); running on the CPU" in server.container.logs
