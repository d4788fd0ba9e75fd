"""Jobs on a GPU."""

import re
from pathlib import Path

import pytest
import torch

from container import artifact
from container.contract.errors import HyperparameterError
from container.networks.build import build_model
from container.preprocessing import Preprocessing
from container.train.device import Device
from container.train.loop.batch_trial import Trial, free_memory, largest_that_fits
from container.train.loop.compiler import check_compiler
from tests.conftest import write_image_folder
from tests.train.conftest import SMALL, JobDirectory

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU that torch can use"),
]

LEARNING = {**SMALL, "epochs": "4", "opt-learning-rate": "1e-3", "image-size": "64", "augmentation": "light"}


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_image_folder(tmp_path_factory.mktemp("data") / "train", {"blue": 40, "green": 40, "red": 40})


def test_the_log_names_the_gpu_and_the_model_learns(data: Path, job: JobDirectory):
    job.channel("train", data)
    result = job.run(LEARNING)
    assert result.code == 0, result.log
    name = torch.cuda.get_device_name()
    assert f"GPU: NVIDIA driver {_driver_version()} (CUDA " in result.stdout
    assert f" x {name} (" in result.stdout
    assert f"device cuda ({name}), " in result.stdout
    assert job.metrics()[-1]["test_accuracy"] >= 90
    model, _ = artifact.load(job.model)
    assert all(tensor.device.type == "cpu" for tensor in model.state_dict().values())


@pytest.mark.parametrize(("amp", "said"), [("off", "fp32"), ("fp16", "fp16 with gradient scaling"), ("bf16", "bf16")])
def test_every_precision_trains(data: Path, job: JobDirectory, amp: str, said: str):
    job.channel("train", data)
    result = job.run({**LEARNING, "amp": amp})
    assert result.code == 0, result.log
    assert f"), {said}, " in result.stdout
    assert job.metrics()[-1]["test_accuracy"] >= 90


def test_processes_that_read_pictures_feed_the_gpu(data: Path, job: JobDirectory):
    job.channel("train", data)
    result = job.run({**SMALL, "num-workers": "2"})
    assert result.code == 0, result.log
    assert job.processes() == []


def test_an_interrupted_job_goes_on_elsewhere(data: Path, job: JobDirectory):
    """A checkpoint of the GPU is gone on from on the CPU."""
    job.channel("train", data)
    (job.base / "checkpoints").mkdir()
    assert job.run({**SMALL, "epochs": "1", "amp": "off"}).code == 0
    result = job.run({**SMALL, "epochs": "2", "amp": "off", "use-cuda": "false"})
    assert result.code == 0, result.log
    assert "resuming from the checkpoint of epoch 2, step 0" in result.stdout


def test_a_compiled_network_trains(data: Path, job: JobDirectory):
    try:
        check_compiler(on_gpu=True)
    except HyperparameterError as error:
        pytest.skip(str(error))
    job.channel("train", data)
    result = job.run({**SMALL, "compile": "true"})
    assert result.code == 0, result.log


def test_a_batch_size_is_found(data: Path, job: JobDirectory):
    job.channel("train", data)
    result = job.run({**LEARNING, "batch-size": "0", "epochs": "1"})
    assert result.code == 0, result.log
    assert re.search(r"batch-size \d+: \d+ pictures/s; .*more than \d+ is not tried", result.stdout)


def test_the_search_ends_at_the_gpus_memory_and_leaves_none_of_it_taken():
    """The largest that fits does so again, and twice as many do not, whatever was tried in between."""
    device = Device(torch_device=torch.device("cuda", 0), amp_dtype=torch.float16, workers=0)
    model = build_model("resnet18", 3).to(device.torch_device)
    before = {name: value.clone() for name, value in model.state_dict().items()}
    random = torch.cuda.get_rng_state()
    free_memory(device)
    taken = torch.cuda.memory_reserved()
    torch.cuda.set_per_process_memory_fraction(0.1)
    try:
        trial = Trial(model, device, Preprocessing.for_size(512))
        found = largest_that_fits(trial.fits, 4096)
        assert 8 <= found < 4096
        assert found % 8 == 0
        assert trial.fits(found)
        assert not trial.fits(2 * found)
        assert (trial.speed(8) or 0) > 0
        assert trial.speed(2 * found) is None
    finally:
        torch.cuda.set_per_process_memory_fraction(1.0)
    del trial
    free_memory(device)
    assert torch.cuda.memory_reserved() <= taken + 2**27, "libraries' workspaces stay"
    assert torch.equal(torch.cuda.get_rng_state(), random)
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())


def test_too_little_memory_names_a_batch_size(data: Path, job: JobDirectory):
    job.channel("train", data)
    part = 4 * 2**30 / torch.cuda.get_device_properties(0).total_memory
    job.environment = {"PYTORCH_CUDA_ALLOC_CONF": f"per_process_memory_fraction:{part:.6f}"}
    result = job.run({**SMALL, "model-type": "resnet50", "image-size": "512", "batch-size": "64"})
    assert result.code == 1
    name = re.escape(torch.cuda.get_device_name())
    advice = re.search(
        rf"CUDA out of memory with batch-size 64 and image-size 512 on {name} \(\d+ GiB\); batch-size (\d+) fits",
        job.failure,
    )
    assert advice, job.failure
    fits = int(advice[1])
    assert 0 < fits < 64
    result = job.run({**SMALL, "model-type": "resnet50", "image-size": "512", "batch-size": str(fits), "epochs": "1"})
    assert result.code == 0, result.log


def _driver_version() -> str:
    import pynvml

    pynvml.nvmlInit()
    try:
        return str(pynvml.nvmlSystemGetDriverVersion())
    finally:
        pynvml.nvmlShutdown()
