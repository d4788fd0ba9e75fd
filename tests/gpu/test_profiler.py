"""What a job on a GPU records of its own speed."""

import json
import math
from pathlib import Path

import pytest
import torch

from tests.conftest import write_image_folder
from tests.train.conftest import SMALL, JobDirectory
from tests.train.profiler.test_profiler import check_steps, read_lines, read_steps

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU that torch can use"),
]


def test_steps_are_timed_by_the_gpu_s_own_clock(tmp_path: Path, job: JobDirectory):
    job.channel("train", write_image_folder(tmp_path / "train", {"blue": 40, "green": 40, "red": 40}))
    result = job.run({**SMALL, "image-size": "64", "num-workers": "1"})
    assert result.code == 0, result.log
    profile = job.data / "profile"
    steps = read_steps(profile)
    check_steps(steps)
    facts = json.loads((profile / "profile.json").read_text())
    assert len(steps) == 2 * math.ceil(facts["pictures"]["train"] / 8)
    assert facts["device"] == "cuda"
    assert facts["device_name"] == torch.cuda.get_device_name()
    assert len(facts["gpus"]) == torch.cuda.device_count()
    assert 0 < facts["peak_gpu_memory_bytes"][0] < facts["gpus"][0]["memory_bytes"]
    table = json.loads((profile / "window" / "operators.json").read_text())
    assert table["device"] == "cuda"
    assert table["kernels"]
    assert table["operators"][0]["self_device_us"] > 0
    samples = [line for file in (profile / "system").rglob("*.json") for line in read_lines(file)]
    of_gpu = {line["Dimension"]: line["Value"] for line in samples if line["Name"] == "gpu0"}
    assert of_gpu["GPUMemoryUsed"] > 0
    assert of_gpu["GPUPower"] > 0
    assert 0 <= of_gpu["GPUUtilization"] <= 100
