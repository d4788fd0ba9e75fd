"""What the recipes do to a job: rates, averages, and resuming."""

import math
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from container import artifact
from container.contract.hyperparameters import TrainConfig
from container.contract.paths import MlPaths
from container.networks.build import build_model
from container.train.checkpoints.checkpoint import read_newest_checkpoint
from container.train.data.channels import complete_splits, list_splits
from container.train.launch.distributed import World
from container.train.launch.hosts import Rank
from container.train.launch.stopping import Interrupted, Stop
from container.train.loop import fit
from container.train.loop.averaging import AveragedWeights
from container.train.loop.optimizer import parameter_groups
from container.train.loop.schedule import Schedule, cosine_with_warmup
from container.train.loop.train_model import train_model
from tests.conftest import write_image_folder
from tests.train.conftest import SMALL

# Its modern recipe has everything: batch statistics, stochastic depth, a cosine, clipping and averages.
MODERN = {"model-type": "test_resnet", "drop-path": "0.3", "ema-decay": "0.9", "profile": "false"}


class Job:
    """A job of the modern recipe in this process."""

    def __init__(self, base: Path, data: Path, *, resumes: bool = False, **values: str) -> None:
        self.paths = MlPaths(base)
        if not resumes:
            for folder in (self.paths.model, self.paths.output_data, base / "checkpoints", base / "input"):
                folder.mkdir(parents=True)
            (base / "input" / "data").symlink_to(data)
        given = {name.replace("_", "-"): value for name, value in values.items()}
        self._config = TrainConfig.from_strings({**SMALL, **MODERN, **given})

    def run(self, stop: Stop | None = None) -> None:
        splits = complete_splits(list_splits(self.paths.channels), self._config.seed)
        train_model(self._config, splits, self.paths, stop or Stop(), World(Rank()))

    def state(self) -> dict[str, Any]:
        """Read the newest checkpoint, without the times."""
        content = read_newest_checkpoint(self.paths.base / "checkpoints")
        assert content is not None
        for record in content["progress"]["history"]:
            del record["train_seconds"]
        return content


def same(one: Any, other: Any) -> bool:
    """Whether two parts of a checkpoint have the same bits."""
    if isinstance(one, torch.Tensor):
        return torch.equal(one, other)
    if isinstance(one, dict):
        return one.keys() == other.keys() and all(same(value, other[name]) for name, value in one.items())
    return bool(one == other)


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("data")
    write_image_folder(root / "train", {"blue": 12, "green": 20, "red": 12})
    return root


@pytest.fixture(scope="module")
def whole(data: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Job, list[dict[str, torch.Tensor]]]:
    """A job that ran through, and the weights after each of its steps."""
    steps: list[dict[str, torch.Tensor]] = []

    class Watched(AveragedWeights):
        def __init__(self, model: nn.Module, decay: float) -> None:
            super().__init__(model, decay)
            self._model = model

        def update(self) -> None:
            super().update()
            steps.append({name: value.clone() for name, value in self._model.state_dict().items()})

    job = Job(tmp_path_factory.mktemp("jobs") / "whole", data)
    with pytest.MonkeyPatch.context() as monkeypatch:
        monkeypatch.setattr(fit, "AveragedWeights", Watched)
        job.run()
    return job, steps


def test_a_resumed_modern_job_is_bit_equal_to_one_that_ran_through(
    data: Path,
    whole: tuple[Job, list[dict[str, torch.Tensor]]],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
):
    job, stop, printed = Job(tmp_path / "job", data), Stop(), 0

    def count(_: object) -> None:
        nonlocal printed
        printed += 1
        stop.requested = printed == 7  # in the second epoch; the steps' lines and the evaluation's are counted

    monkeypatch.setattr(fit, "emit", count)
    with pytest.raises(Interrupted):
        job.run(stop)
    stopped = job.state()["progress"]
    assert (stopped["epoch"], stopped["step"] > 0) == (2, True)
    job.run()
    found, expected = job.state(), whole[0].state()
    assert found["averages"]["steps"] == expected["averages"]["steps"] == len(whole[1])
    assert same(found, expected)


def test_what_is_evaluated_and_saved_are_the_averaged_weights(whole: tuple[Job, list[dict[str, torch.Tensor]]]):
    job, steps = whole
    saved, card = artifact.load(job.paths.model)
    steps = steps[: card.training["evaluation"]["epoch"] * len(steps) // 2]
    expected = steps[0]
    for step, weights in enumerate(steps[1:], start=1):
        decay = min(0.9, 1 - (1 + step) ** (-2 / 3))
        expected = {name: torch.lerp(expected[name].double(), weights[name].double(), 1 - decay) for name in expected}
    for name, value in saved.state_dict().items():
        if value.is_floating_point():
            torch.testing.assert_close(value.double(), expected[name], rtol=1e-4, atol=1e-6, msg=name)


def test_the_model_has_its_own_weights_again_after_the_averages():
    model = nn.Linear(2, 2)
    averages = AveragedWeights(model, 0.99)
    averages.update()
    first = model.weight.detach().clone()
    with torch.no_grad():
        model.weight += 1
    averages.update()
    own = model.weight.detach().clone()
    with averages.in_place():
        # The second step's decay is 1 - 2 ** (-2 / 3).
        torch.testing.assert_close(model.weight, first + 2 ** (-2 / 3))
    assert torch.equal(model.weight, own)


@pytest.mark.parametrize(
    ("step", "factor"),
    [
        (0, 1 / 11),
        (9, 10 / 11),
        (10, 1),
        (55, 0.5),
        (99, 0.5 * (1 + math.cos(math.pi * 89 / 90))),
        (100, 0),
    ],
)
def test_a_cosine_rises_over_the_warm_up_and_falls_to_zero(step: int, factor: float):
    assert cosine_with_warmup(step, total=100, warmup=10) == pytest.approx(factor)


def test_a_job_shorter_than_its_warm_up_still_comes_to_the_full_rate():
    optimizer = torch.optim.SGD([nn.Parameter(torch.zeros(1))], lr=1.0)
    schedule = Schedule(optimizer, TrainConfig(lr_schedule="cosine", warmup_epochs=5, epochs=1), steps=8)
    rates = []
    for step in range(8):
        schedule.before_step(step)
        rates.append(schedule.learning_rate)
    assert rates[4] == max(rates) == 1
    assert rates[0] < 0.25
    assert 0 < rates[7] < 0.25


def rates_and_decays(values: dict[str, str], model: nn.Module) -> dict[str, tuple[float, float]]:
    config = TrainConfig.from_strings(values)
    names = {id(parameter): name for name, parameter in model.named_parameters()}
    groups: list[dict[str, Any]] = parameter_groups(model, config)
    found = [(names[id(one)], (group["lr"], group["weight_decay"])) for group in groups for one in group["params"]]
    assert len(found) == len(names), "each parameter is in one group"
    return dict(found)


def test_lower_stages_learn_slower_and_norms_and_biases_do_not_decay():
    values = {"recipe": "modern", "layer-decay": "0.5", "opt-learning-rate": "1", "opt-weight-decay": "0.1"}
    found = rates_and_decays(values, build_model("resnet18", 3))
    assert found["fc.weight"] == (1, 0.1)
    assert found["fc.bias"] == (1, 0)
    assert found["layer4.1.conv2.weight"] == found["layer4.0.conv1.weight"] == (0.5, 0.1)
    assert found["layer1.0.bn1.weight"] == (0.0625, 0)
    assert found["conv1.weight"] == (0.03125, 0.1)
    assert found["bn1.bias"] == (0.03125, 0)
