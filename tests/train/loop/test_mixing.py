"""Mixup and CutMix: what is mixed, and the loss of it."""

import pytest
import torch
from torch import nn

from container.preprocessing import Preprocessing
from container.train.debugger.session import Debugger
from container.train.device import Device
from container.train.launch.distributed import World
from container.train.launch.hosts import Rank
from container.train.loop.mixing import Mix, Mixing
from container.train.loop.stepper import Stepper

CLASSES = 4
SIZE = 8


def batch() -> torch.Tensor:
    """Four normalised pictures in channels-last memory; the pixels of each are its number."""
    rows = torch.arange(4.0)[:, None, None, None].expand(4, SIZE, SIZE, 3).contiguous()
    return rows.permute(0, 3, 1, 2)


def test_mixup_blends_each_picture_with_the_one_before_it():
    mixed = Mix(share=0.75).pictures(batch())
    assert mixed.is_contiguous(memory_format=torch.channels_last)
    assert mixed[:, 0, 0, 0].tolist() == pytest.approx([0.75, 0.75, 1.75, 2.75])
    assert torch.equal(mixed, mixed[:, :1, :1, :1].expand_as(mixed))


def test_cutmix_pastes_a_box_of_the_picture_before():
    mixed = Mix(share=1 - 6 / 64, box=(1, 3, 5, 8)).pictures(batch())
    expected = batch().contiguous()
    for number in range(4):
        expected[number, :, 1:3, 5:8] = (number - 1) % 4
    assert torch.equal(mixed, expected)


@pytest.mark.parametrize("share", [1.0, 0.7, 0.2])
@pytest.mark.parametrize("weights", [None, [0.5, 1.0, 2.0, 8.0]], ids=["plain", "weighted"])
@pytest.mark.parametrize("smoothing", [0.0, 0.1])
def test_the_loss_is_cross_entropy_with_soft_targets(share: float, weights: list[float] | None, smoothing: float):
    generator = torch.Generator().manual_seed(0)
    logits = torch.randn(5, CLASSES, generator=generator, dtype=torch.float64)
    targets = torch.tensor([3, 0, 1, 1, 2])
    weight = None if weights is None else torch.tensor(weights, dtype=torch.float64)
    own = nn.functional.one_hot(targets, CLASSES).double()
    soft = share * own + (1 - share) * own.roll(1, 0)
    smooth = (1 - smoothing) * soft + smoothing / CLASSES
    each_class = torch.ones(CLASSES, dtype=torch.float64) if weight is None else weight
    expected = -(smooth * each_class * logits.log_softmax(1)).sum() / (soft * each_class).sum()
    criterion = nn.CrossEntropyLoss(weight=weight, label_smoothing=smoothing)
    torch.testing.assert_close(Mix(share=share).loss(criterion, logits, targets), expected)


def test_the_main_class_is_that_of_the_larger_share():
    targets = torch.tensor([3, 0, 1])
    assert Mix(share=0.6).main_classes(targets).tolist() == [3, 0, 1]
    assert Mix(share=0.4).main_classes(targets).tolist() == [1, 3, 0]


class Seen(Debugger):
    """What a debugger is shown."""

    def observe(self, loss: torch.Tensor, logits: torch.Tensor, labels: torch.Tensor) -> None:
        self.loss, self.labels = loss.item(), labels


def test_the_debugger_is_shown_the_loss_that_is_logged():
    mixing = Mixing(mixup=1, cutmix=0, seed=3)
    model = nn.Sequential(nn.Flatten(), nn.Linear(3 * SIZE * SIZE, CLASSES))
    stepper = Stepper(
        model,
        torch.optim.SGD(model.parameters(), lr=0.1),
        world=World(Rank()),
        device=Device(torch_device=torch.device("cpu"), amp_dtype=None, workers=0),
        preprocessing=Preprocessing.for_size(SIZE),
        mixing=mixing,
        debugger=(seen := Seen()),
    )
    pictures, targets = torch.randint(256, (4, SIZE, SIZE, 3), dtype=torch.uint8), torch.arange(4)
    shown = []
    stepper.begin_epoch(2, count=6, done=4)
    for step in (5, 6):
        mix = mixing.draw(2, step, SIZE)
        with torch.no_grad():
            logits = model(mix.pictures(Preprocessing.for_size(SIZE).normalize(pictures)))
            expected = mix.loss(nn.CrossEntropyLoss(), logits, targets).item()
        with stepper.step((pictures, targets), 4) as logged:
            shown += [(each.step, each.loss) for each in logged]
        assert seen.loss == pytest.approx(expected, rel=1e-5)
        assert torch.equal(seen.labels, mix.main_classes(targets))
    assert shown[-1] == (6, pytest.approx(seen.loss))


def test_a_batch_is_mixed_by_seed_epoch_step_and_process_alone():
    def draw(seed: int = 1, epoch: int = 1, step: int = 1, rank: int = 0) -> Mix:
        return Mixing(mixup=0.4, cutmix=1, seed=seed, rank=rank).draw(epoch, step, 224)

    assert draw() == draw()
    others = [draw(seed=2), draw(epoch=2), draw(step=2), draw(rank=1)]
    assert all(other != draw() for other in others)


def test_with_both_each_takes_half_of_the_batches_and_the_share_is_what_is_left():
    mixing = Mixing(mixup=0.4, cutmix=1, seed=0)
    drawn = [mixing.draw(1, step, 100) for step in range(1, 1001)]
    boxes = [(mix, mix.box) for mix in drawn if mix.box is not None]
    assert 430 < len(boxes) < 570
    for mix, (top, bottom, left, right) in boxes:
        assert 0 <= top <= bottom <= 100
        assert 0 <= left <= right <= 100
        assert mix.share == pytest.approx(1 - (bottom - top) * (right - left) / 100**2)
    blends = [mix.share for mix in drawn if mix.box is None]
    assert sum(blends) / len(blends) == pytest.approx(0.5, abs=0.06)
    assert sum(0.1 < share < 0.9 for share in blends) / len(blends) == pytest.approx(0.52, abs=0.08)  # Beta(0.4, 0.4)


def test_without_alpha_nothing_is_mixed():
    mix = Mixing(mixup=0, cutmix=0, seed=0).draw(1, 1, SIZE)
    assert torch.equal(mix.pictures(batch()), batch())
