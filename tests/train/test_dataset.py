from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from container.errors import PictureError
from container.preprocessing import Preprocessing
from container.train.channels import Sample, list_splits
from container.train.dataset import (
    EpochSampler,
    EvaluationPictures,
    TrainBatchSampler,
    TrainPictures,
    evaluation_loader,
    train_augmentation,
    train_loader,
)
from container.train.program import own_message

Folder = Callable[..., Path]


@pytest.fixture
def samples(image_folder: Folder) -> tuple[Sample, ...]:
    return list_splits(image_folder("train", red=5, blue=4).parent).train


def test_an_epoch_sees_every_picture_once_in_an_order_of_its_own():
    sampler = EpochSampler(50, seed=3)
    first = [index for _, index in sampler]
    sampler.epoch = 2
    second = [index for _, index in sampler]
    assert sorted(first) == sorted(second) == list(range(50))
    assert first != second
    sampler.epoch = 1
    assert [index for _, index in sampler] == first


def test_an_epoch_can_begin_part_of_the_way():
    sampler = EpochSampler(50, seed=3)
    whole = list(sampler)
    sampler.skip = 32
    assert list(sampler) == whole[32:]
    assert len(sampler) == 18


@pytest.mark.parametrize(
    ("count", "size", "batches"), [(9, 4, [4, 4]), (10, 4, [4, 4, 2]), (8, 4, [4, 4]), (3, 1, [1, 1, 1]), (1, 4, [])]
)
def test_no_batch_of_one_reaches_batch_normalisation(count: int, size: int, batches: list[int]):
    sampler = TrainBatchSampler(EpochSampler(count, seed=0), size)
    assert [len(batch) for batch in sampler] == batches
    assert len(sampler) == len(batches)


def test_a_picture_is_varied_by_seed_epoch_and_index_and_nothing_else(samples: tuple[Sample, ...]):
    pictures = TrainPictures(samples, "default", 32, seed=1)
    torch.manual_seed(99)
    first = pictures[(1, 0)][0]
    state = torch.get_rng_state()
    assert torch.equal(pictures[(1, 0)][0], first)
    assert torch.equal(torch.get_rng_state(), state), "the program's own random numbers must not move"
    assert not torch.equal(pictures[(2, 0)][0], first)
    assert not torch.equal(TrainPictures(samples, "default", 32, seed=2)[(1, 0)][0], first)
    assert first.shape == (32, 32, 3)
    assert first.dtype == torch.uint8


def test_the_augmentations_are_those_documented():
    """Measured on a picture whose left half is dark: mirrored half of the time by default, never by the others."""
    pixels = np.full((64, 64, 3), 60, np.uint8)
    pixels[:, 32:] = 180
    picture = Image.fromarray(pixels)
    mirrored = {}
    for kind in ("default", "light", "none"):
        augment = train_augmentation(kind, 32)
        torch.manual_seed(0)
        outputs = [np.asarray(augment(picture), dtype=int) for _ in range(200)]
        assert all(output.shape == (32, 32, 3) for output in outputs)
        mirrored[kind] = np.mean([output[8:24, :16].mean() > output[8:24, 16:].mean() for output in outputs])
    assert 0.3 < mirrored["default"] < 0.7
    assert mirrored["light"] == mirrored["none"] == 0


def test_loaders_give_bytes_and_targets(samples: tuple[Sample, ...]):
    sampler = EpochSampler(len(samples), seed=0)
    pictures = TrainPictures(samples, "default", 32, 0)
    batches = list(train_loader(pictures, TrainBatchSampler(sampler, 4), workers=1, pin=False))
    assert [tuple(pictures.shape) for pictures, _ in batches] == [(4, 32, 32, 3), (4, 32, 32, 3)]
    assert batches[0][0].dtype == torch.uint8
    evaluated = list(
        evaluation_loader(EvaluationPictures(samples, Preprocessing.for_size(32)), batch_size=4, workers=0, pin=False)
    )
    assert torch.cat([targets for _, targets in evaluated]).tolist() == [sample.target for sample in samples]


def test_a_picture_that_vanishes_while_training_is_named_in_one_line(samples: tuple[Sample, ...]):
    samples[3].path.unlink()
    sampler = EpochSampler(len(samples), seed=0)
    loader = train_loader(TrainPictures(samples, "default", 32, 0), TrainBatchSampler(sampler, 4), workers=1, pin=False)
    with pytest.raises(PictureError) as caught:
        list(loader)
    assert own_message(caught.value) == (f"the picture {samples[3].path} cannot be opened: No such file or directory")
