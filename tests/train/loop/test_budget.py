"""A job's time budget: what is chosen, and that the job ends in time."""

from pathlib import Path

import pytest

from container import artifact
from container.contract.hyperparameters import TrainConfig
from container.train.data.channels import Sample, Splits
from container.train.loop import fit
from container.train.loop.budget import Costs, plan, sizes_to_choose_from
from container.train.loop.job import Job as TrainingJob
from tests.conftest import write_image_folder
from tests.train.loop.test_recipe import Job

SAMPLES = tuple(Sample(Path(f"{number}.jpg"), 0) for number in range(1300))
SPLITS = Splits(classes=("one",), train=SAMPLES[:1000], validation=SAMPLES[1000:1200], test=SAMPLES[1200:])
# An epoch of the full size takes 100 s and an evaluation of it 7; the probe 40, the test 3, reading 13, the end 10.
COSTS = Costs(train=0.1, read=0.01, ending=10)
SIZES = (224, 160, 128)


@pytest.mark.parametrize(
    ("seconds", "probe", "size", "epochs"),
    [
        (100_000, "first", 224, 20),
        (1000, "first", 224, 7),
        # A few epochs of smaller pictures are better than fewer of large ones.
        (400, "first", 160, 5),
        (250, "first", 128, 5),
        (100, "first", 128, 1),
        # And a probe, of the largest pictures that there is time for, is better than no epoch at all.
        (80, "only", 224, 20),
        (45, "only", 128, 20),
        (5, "only", 128, 20),
    ],
)
def test_the_plan_is_the_best_that_fits(seconds: float, probe: str, size: int, epochs: int):
    config = TrainConfig.from_strings({"recipe": "modern", "budget": "1m", "freeze-epochs": "1", "mixup": "0.2"})
    found = plan(config, COSTS, seconds, SPLITS, sizes=SIZES)
    assert (found.probe, found.image_size, found.epochs) == (probe, size, epochs)


def test_without_pretrained_weights_there_is_an_epoch_even_if_it_does_not_fit():
    config = TrainConfig.from_strings({"recipe": "modern", "weights": "none", "budget": "1m"})
    found = plan(config, COSTS, 5, SPLITS, sizes=SIZES)
    assert (found.probe, found.image_size, found.epochs) == ("off", 128, 1)


@pytest.mark.parametrize(
    ("network", "size", "fixed", "sizes"),
    [
        ("resnet18", 224, False, (224, 160, 128)),
        ("resnet18", 224, True, (224,)),
        ("resnet18", 32, False, (32,)),
        # Patches of 14 pixels fit into none of the smaller sizes.
        ("vit_tiny_patch16_224", 224, False, (224, 160, 128)),
        ("vit_small_patch14_dinov2", 126, False, (126,)),
    ],
)
def test_smaller_sizes_are_those_that_the_network_takes(network: str, size: int, fixed: bool, sizes: tuple[int, ...]):
    config = TrainConfig.from_strings({"model-type": network, "image-size": str(size)})
    assert sizes_to_choose_from(config, fixed=fixed) == sizes


def test_a_job_that_runs_out_of_time_stops_within_the_epoch_and_is_tested(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
):
    write_image_folder(tmp_path / "data" / "train", {"blue": 20, "green": 20})
    asked = 0

    def is_late(_: TrainingJob) -> bool:
        nonlocal asked
        asked += 1
        return asked >= 8  # after each step, and after the first epoch

    monkeypatch.setattr(TrainingJob, "is_late", is_late)
    job = Job(tmp_path / "job", tmp_path / "data", budget="600m", epochs="3")
    with caplog.at_level("INFO"):
        job.run()
    assert ": 3 epochs at image-size 32" in caplog.text
    assert "the budget ends at step 3 of epoch 2" in caplog.text
    training = artifact.read_card(job.paths.model).training
    assert training["test"]["best_epoch"] in (1, 2)
    assert job.state()["progress"]["epoch"] == 3, "the second epoch was evaluated as far as it came"


def test_epochs_that_take_longer_than_planned_become_fewer_and_end_the_cosine(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    write_image_folder(tmp_path / "data" / "train", {"blue": 20, "green": 20})
    left = iter((5, 1, 0))
    monkeypatch.setattr(fit, "_epochs_left", lambda *_, **__: next(left))
    job = Job(tmp_path / "job", tmp_path / "data", budget="600m", epochs="9")
    job.run()
    rates = [record["learning_rate"] for record in job.state()["progress"]["history"]]
    assert len(rates) == 3
    assert rates[2] < 0.1 * rates[1]


def test_a_resumed_job_keeps_what_its_budget_chose(tmp_path: Path, caplog: pytest.LogCaptureFixture):
    write_image_folder(tmp_path / "data" / "train", {"blue": 20, "green": 20})
    job = Job(tmp_path / "job", tmp_path / "data", budget="600m", epochs="1")
    job.run()
    again = Job(tmp_path / "job", tmp_path / "data", budget="500m", epochs="3", resumes=True)
    with caplog.at_level("INFO"):
        again.run()
    assert ": 1 epoch at image-size 32" in caplog.text
    assert job.state()["progress"]["epoch"] == 2
