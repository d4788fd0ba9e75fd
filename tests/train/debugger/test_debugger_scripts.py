"""Scripts that import smdebug, run by the launcher as a job of SageMaker's would run them."""

import json
import re
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from tests.train.conftest import JobDirectory
from tests.train.debugger.trial_reader import Saved, Trial, read

SCRIPT = Path(__file__).with_name("seed_script.py")
NUMBERS: dict[str, Callable[[torch.Tensor], torch.Tensor]] = {
    "min": torch.min,
    "max": torch.max,
    "mean": torch.mean,
    "std": torch.std,
    "variance": torch.var,
    "sum": torch.sum,
    "prod": torch.prod,
    "l1": lambda values: torch.linalg.vector_norm(values, 1),
    "l2": lambda values: torch.linalg.vector_norm(values, 2),
}
ALL = [*NUMBERS, *(f"abs_{name}" for name in NUMBERS)]


@dataclass(frozen=True, kw_only=True)
class Expected:
    """What the configuration below says of a collection."""

    tensors: str
    train: set[int]
    eval: set[int]
    whole: bool = True
    reductions: tuple[str, ...] = ()


CONFIGURATION: dict[str, Any] = {
    "S3OutputPath": "s3://bucket/debug-output",
    "HookParameters": {
        "save_interval": "3",
        "eval.save_interval": "2",
        "include_regex": "relu_output,Net_head.weight",
    },
    "CollectionConfigurations": [
        {"CollectionName": "losses", "CollectionParameters": {"save_interval": "1"}},
        {
            "CollectionName": "weights",
            "CollectionParameters": {
                "reductions": ",".join(f"{name}_norm" if name[-2:] in ("l1", "l2") else name for name in ALL),
                "save_raw_tensor": True,
            },
        },
        {
            "CollectionName": "gradients",
            "CollectionParameters": {"train.save_interval": "2", "reductions": "abs_max,l2_norm"},
        },
        {"CollectionName": "biases", "CollectionParameters": None},
        {
            "CollectionName": "states",
            "CollectionParameters": {"include_regex": "^recurrent_output_1", "save_steps": "1", "start_step": "4"},
        },
        {
            "CollectionName": "features",
            "CollectionParameters": {"include_regex": "conv_output,norm_output", "end_step": "1"},
        },
    ],
}
THIRD, SECOND = {0, 3}, {0, 2}
EXPECTED = (
    Expected(tensors="^CrossEntropyLoss_output", train=set(range(6)), eval=set(range(4))),
    Expected(tensors=r"^Net_.*\.weight", train=THIRD, eval=SECOND, reductions=tuple(ALL)),
    Expected(tensors="^gradient/", train={0, 2, 4}, eval=set(), whole=False, reductions=("abs_max", "l2")),
    Expected(tensors=r"^Net_.*\.bias", train=THIRD, eval=SECOND),
    Expected(tensors="^recurrent_output_1", train={1}, eval={1}),
    Expected(tensors="^(conv|norm)_output", train={0}, eval={0}),
    Expected(tensors="relu_output|Net_head.weight", train=THIRD, eval=SECOND),
)


def expected(recording: dict[str, torch.Tensor]) -> Trial:
    """What must be saved of what the script recorded."""
    found: Trial = {}
    for key, value in recording.items():
        mode, step, name = key.split()
        of_step = [
            one
            for one in EXPECTED
            if re.search(one.tensors, name) and int(step) in (one.train if mode == "TRAIN" else one.eval)
        ]
        if of_step:
            whole = any(one.whole for one in of_step)
            found[key] = Saved(
                # An epoch: three steps of training, two of evaluation.
                step=int(step) // 3 * 5 + int(step) % 3 if mode == "TRAIN" else int(step) // 2 * 5 + 3 + int(step) % 2,
                value=value.tolist() if whole else None,
                dtype="float32" if whole else None,
                shape=list(value.shape) if whole else None,
                reductions={reduction: number(value, reduction) for one in of_step for reduction in one.reductions},
            )
    return found


def number(values: torch.Tensor, name: str) -> float:
    bare = name.removeprefix("abs_")
    return float(NUMBERS[bare](values if bare == name else values.abs()))


def start(job: JobDirectory, tmp_path: Path, configuration: dict[str, Any]) -> None:
    source = tmp_path / "source"
    source.mkdir()
    shutil.copy(SCRIPT, source / "train.py")
    configuration = {**configuration, "LocalPath": str(job.base / "output" / "tensors")}
    (job.base / "input" / "config" / "debughookconfig.json").write_text(json.dumps(configuration))
    job.hyperparameters(
        {"sagemaker_program": "train.py", "sagemaker_submit_directory": str(source), "epochs": "2"},
    )


def test_a_seed_script_saves_what_it_recorded_itself(job: JobDirectory, tmp_path: Path):
    start(job, tmp_path, CONFIGURATION)
    done = job.run()
    assert done.code == 0, done.log
    found = read(job.base / "output" / "tensors")
    recording = expected(torch.load(job.data / "recording.pt"))
    assert found.keys() == recording.keys()
    for key, saved in recording.items():
        assert found[key] == saved, key
