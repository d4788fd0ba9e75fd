"""The linear probe: the head on features of the frozen body."""

from pathlib import Path

import numpy as np
import pytest
import torch
from sklearn.linear_model import LogisticRegression

from container import artifact
from container.networks.build import build_model
from container.train.launch.stopping import Interrupted, Stop
from container.train.loop import fit, probe
from container.train.loop.features import Features
from container.train.loop.probe import fit_head
from tests.conftest import write_image_folder
from tests.train.loop.test_recipe import Job, same

CPU = torch.device("cpu")


def features(seed: int, count: int) -> Features:
    """Three clouds that overlap, off the origin and of different spreads."""
    generator = torch.Generator().manual_seed(seed)
    targets = torch.arange(count) % 3
    centres = torch.tensor([[1.0, 0, 0, 0], [0, 1, 0, 0], [0, 0, 1, 0]])
    values = centres[targets] + torch.randn(count, 4, generator=generator)
    return Features(values * torch.tensor([1.0, 10, 0.1, 1]) + 5, targets)


def test_the_head_is_that_of_logistic_regression(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(probe, "_PENALTIES", (0.01,))
    train, validation = features(0, 90), features(1, 30)
    found = fit_head(train, validation, class_count=3, device=CPU)
    mean, spread = train.values.mean(0).numpy(), train.values.std(0, correction=0).numpy()
    theirs = LogisticRegression(C=1 / (0.01 * 90), tol=1e-8, max_iter=1000)
    theirs.fit((train.values.numpy() - mean) / spread, train.targets.numpy())
    ours = torch.softmax(validation.values @ found.weight.T + found.bias, 1).numpy()
    expected = theirs.predict_proba((validation.values.numpy() - mean) / spread)
    np.testing.assert_allclose(ours, expected, atol=1e-3)
    assert found.evaluation.correct == (expected.argmax(1) == validation.targets.numpy()).sum()


def test_the_penalty_is_the_one_with_the_lowest_evaluation_loss(monkeypatch: pytest.MonkeyPatch):
    losses = []
    for penalty in (1.0, 0.1, 0.01, 0.001, 0.0001):
        with monkeypatch.context() as patched:
            patched.setattr(probe, "_PENALTIES", (penalty,))
            losses.append(fit_head(features(0, 30), features(1, 30), class_count=3, device=CPU).evaluation.loss)
    chosen = fit_head(features(0, 30), features(1, 30), class_count=3, device=CPU)
    assert chosen.evaluation.loss == pytest.approx(min(losses), rel=1e-3)


@pytest.fixture
def pretrained(tmp_path: Path) -> tuple[Path, dict[str, torch.Tensor]]:
    """A data folder with the weights of a ResNet whose batch statistics have moved, and those weights."""
    data = tmp_path / "data"
    write_image_folder(data / "train", {"blue": 12, "green": 12})
    (data / "weights").mkdir()
    torch.manual_seed(3)
    model = build_model("test_resnet", 1000)
    model.train()(torch.rand(4, 3, 32, 32))
    start = model.state_dict()
    torch.save(start, data / "weights" / "imagenet.pth")
    return data, start


VALUES = {"drop-path": "0", "recipe": "modern", "weights": "default"}


def test_epochs_after_a_probe_keep_the_pretrained_batch_statistics(
    pretrained: tuple[Path, dict[str, torch.Tensor]], tmp_path: Path
):
    data, start = pretrained
    statistics = [name for name in start if "running_" in name]
    kept = {}
    for probe_first in ("first", "off"):
        job = Job(tmp_path / probe_first, data, **VALUES, probe=probe_first)
        job.run()
        tensors = job.state()["model"]
        assert not torch.equal(tensors["layer4.0.conv2.weight"], start["layer4.0.conv2.weight"])
        kept[probe_first] = all(torch.equal(tensors[name], start[name]) for name in statistics)
    assert kept == {"first": True, "off": False}


def test_a_job_stopped_after_its_probe_ends_as_if_it_had_not_been(
    pretrained: tuple[Path, dict[str, torch.Tensor]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    data, _ = pretrained
    whole, job, stop = Job(tmp_path / "whole", data, **VALUES), Job(tmp_path / "job", data, **VALUES), Stop()
    whole.run()
    printed = 0

    def count(_: object) -> None:
        nonlocal printed
        printed += 1
        stop.requested = printed == 2  # the first line is the probe's evaluation, the second that of a step

    with monkeypatch.context() as patched:
        patched.setattr(fit, "emit", count)
        with pytest.raises(Interrupted):
            job.run(stop)
    assert job.state()["progress"]["epoch"] == 1
    job.run()
    found, expected = job.state(), whole.state()
    for state in (found, expected):
        del state["progress"]["weights"]["source"]  # a file of each job's own
    assert same(found, expected)


def test_a_probe_alone_trains_the_head_only_and_counts_as_epoch_0(
    pretrained: tuple[Path, dict[str, torch.Tensor]], tmp_path: Path
):
    data, start = pretrained
    job = Job(tmp_path / "job", data, **VALUES, probe="only")
    job.run()
    saved, card = artifact.load(job.paths.model)
    assert card.training["evaluation"]["epoch"] == 0
    assert card.training["evaluation"]["eval_accuracy"] == 100
    assert card.training["test"] == {"best_epoch": 0, "test_loss": pytest.approx(0, abs=0.3), "test_accuracy": 100}
    for name, value in saved.state_dict().items():
        assert name.startswith("fc.") or torch.equal(value, start[name]), name
