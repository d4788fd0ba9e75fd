import math

import pytest
import torch

from container.train.device import Device
from container.train.launch.distributed import World
from container.train.launch.hosts import Rank
from container.train.loop.losses import Logged, Losses, LossNotFinite

CPU = Device(torch_device=torch.device("cpu"), amp_dtype=None, workers=0)


def losses(done: int, count: int) -> Losses:
    return Losses(World(Rank()), CPU, epoch=1, done=done, count=count)


def test_ten_losses_of_an_epoch_and_the_last_are_logged_a_step_later():
    epoch = losses(0, 45)
    logged = [[*epoch.add(torch.tensor(float(step)))] for step in range(1, 46)]
    steps = [each.step for step in logged for each in step]
    assert steps == [1, 5, 9, 13, 17, 21, 25, 29, 33, 37, 41, 45]
    assert all(each.loss == each.step for step in logged for each in step)
    assert logged[0] == []
    assert logged[1] == [Logged(1, 1.0)]
    assert logged[-1] == [Logged(45, 45.0)]


def test_an_epoch_that_was_interrupted_counts_on():
    epoch = losses(43, 45)
    assert [*epoch.add(torch.tensor(0.5)), *epoch.add(torch.tensor(0.25))] == [Logged(45, 0.25)]


def add_all(epoch: Losses, values: list[float]) -> list[Logged]:
    return [logged for value in values for logged in epoch.add(torch.tensor(value))]


@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_a_loss_that_is_not_logged_is_looked_at_too(value: float):
    with pytest.raises(LossNotFinite) as caught:
        add_all(losses(0, 100), [value if step == 37 else 1.0 for step in range(1, 101)])
    assert caught.value.step == 37
    assert caught.value.value == pytest.approx(value, nan_ok=True)
