from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from container.contract.errors import DataError
from container.picture import read_picture
from container.preprocessing import Preprocessing
from container.train.data.channels import Sample, list_splits
from container.train.data.dataset import (
    EvaluationPictures,
    TrainPictures,
    prepare_as_served,
    prepare_to_vary,
    prepare_training,
)
from container.train.data.picture_cache import CacheWriter, PictureCache
from container.train.data.training_sizes import TrainingSizes
from container.train.launch.distributed import World
from container.train.launch.hosts import Rank

Folder = Callable[..., Path]
SERVED = Preprocessing.for_size(32)


@pytest.fixture
def samples(image_folder: Folder) -> tuple[Sample, ...]:
    return list_splits(image_folder("train", red=5, blue=4).parent).train


def cache_of(
    samples: tuple[Sample, ...],
    augmentation: str = "default",
    served: bool = False,
    room: int = 2**30,
    size: int = 32,
) -> PictureCache:
    prepare = prepare_as_served(SERVED) if served else prepare_training(augmentation, size)
    writer = CacheWriter(room)
    entries = [writer.add(0, prepare(sample.path)) for sample in samples]
    return PictureCache(writer.shared(World(Rank())), np.array(entries))


@pytest.mark.parametrize("augmentation", ["default", "trivial", "rand"])
def test_a_picture_is_varied_by_seed_epoch_and_index_and_nothing_else(samples: tuple[Sample, ...], augmentation: str):
    settings = {"rand_magnitude": 9, "random_erasing": 0.5}
    pictures = TrainPictures(samples, augmentation, 32, seed=1, **settings)
    torch.manual_seed(99)
    first = pictures[(1, 0)][0]
    state = torch.get_rng_state()
    assert torch.equal(pictures[(1, 0)][0], first)
    assert torch.equal(torch.get_rng_state(), state), "the program's own random numbers must not move"
    assert not torch.equal(pictures[(2, 0)][0], first)
    assert not torch.equal(TrainPictures(samples, augmentation, 32, seed=2, **settings)[(1, 0)][0], first)
    assert first.shape == (32, 32, 3)
    assert first.dtype == torch.uint8


@pytest.mark.parametrize("augmentation", ["default", "light", "trivial", "none"])
def test_the_cache_changes_nothing_where_pictures_are_small(samples: tuple[Sample, ...], augmentation: str):
    read = TrainPictures(samples, augmentation, 32, seed=1)
    kept = TrainPictures(samples, augmentation, 32, seed=1, cache=cache_of(samples, augmentation))
    for index, sample in enumerate(samples):
        assert torch.equal(kept[(1, index)][0], read[(1, index)][0])
        assert kept[(1, index)][1] == sample.target


def test_how_much_there_was_room_for_changes_nothing(samples: tuple[Sample, ...]):
    for sample in samples:
        Image.open(sample.path).resize((300, 200)).save(sample.path)
    all_kept, some_kept = cache_of(samples), cache_of(samples, room=150_000)
    assert 0 < some_kept.count < all_kept.count == len(samples)
    one = TrainPictures(samples, "default", 32, seed=1, cache=all_kept)
    other = TrainPictures(samples, "default", 32, seed=1, cache=some_kept)
    for index in range(len(samples)):
        assert torch.equal(one[(1, index)][0], other[(1, index)][0])


def test_without_augmentation_it_is_the_centre_square(samples: tuple[Sample, ...]):
    pictures = TrainPictures(samples, "none", 32, seed=1)
    expected = Preprocessing(size=32, short_side=32).to_array(read_picture(samples[0].path))
    assert np.array_equal(pictures[(7, 0)][0].numpy(), expected)


@pytest.mark.parametrize("cached", [False, True])
@pytest.mark.parametrize("augmentation", ["trivial", "none"])
def test_pictures_grow_with_the_epochs(samples: tuple[Sample, ...], augmentation: str, cached: bool):
    cache = cache_of(samples, augmentation, size=96) if cached else None
    sizes = TrainingSizes(full=96, start=0.3, epochs=3)
    pictures = TrainPictures(samples, augmentation, 96, seed=1, cache=cache, sizes=sizes)
    small, middle, full = (pictures[(epoch, 0)][0] for epoch in (1, 2, 3))
    assert [len(picture) for picture in (small, middle, full)] == [32, 64, 96]
    assert torch.equal(full, TrainPictures(samples, augmentation, 96, seed=1, cache=cache)[(3, 0)][0])
    if augmentation == "none":
        shrunk = full.numpy().reshape(32, 3, 32, 3, 3).mean((1, 3))
        assert np.abs(small.numpy() - shrunk).max() <= 1


def test_what_is_erased_has_the_mean_colour(samples: tuple[Sample, ...]):
    whole = TrainPictures(samples, "none", 32, seed=1)[(1, 0)][0]
    erased = TrainPictures(samples, "none", 32, seed=1, random_erasing=1, mean=(0.1, 0.5, 1))[(1, 0)][0]
    changed = erased[(whole != erased).any(-1)]
    assert len(changed) > 0
    assert (changed == torch.tensor([26, 128, 255])).all()


def test_what_is_kept_of_a_large_picture_is_three_times_the_input(tmp_path: Path):
    file = tmp_path / "a.jpg"
    Image.radial_gradient("L").resize((1000, 400)).convert("RGB").save(file, quality=95)
    kept = prepare_to_vary(64)(file)
    assert kept.pixels.shape == (192, 480, 3)
    assert (kept.width, kept.height) == (1000, 400)
    expected = np.asarray(Image.open(file).resize((480, 192), Image.Resampling.BOX)).astype(int)
    assert np.abs(kept.pixels - expected).mean() < 2


@pytest.mark.parametrize("cached", [False, True])
def test_an_evaluated_picture_is_what_serving_sees(samples: tuple[Sample, ...], cached: bool):
    cache = cache_of(samples, served=True) if cached else None
    mine = range(1, len(samples), 2)
    pictures = EvaluationPictures([samples[index] for index in mine], SERVED, cache=cache, indices=mine)
    assert len(pictures) == 4
    for number, index in enumerate(mine):
        item = pictures[number]
        assert item is not None
        assert np.array_equal(item[0].numpy(), SERVED.to_array(read_picture(samples[index].path)))
        assert item[1] == samples[index].target


def test_another_of_its_class_stands_in_for_a_picture_that_vanished(
    samples: tuple[Sample, ...], caplog: pytest.LogCaptureFixture
):
    pictures = TrainPictures(samples, "none", 32, seed=0)
    gone = samples[4]
    before = pictures[(1, 4)][0]
    gone.path.unlink()
    pixels, target = pictures[(1, 4)]
    assert target == gone.target
    assert not torch.equal(pixels, before)
    same_class = [index for index, sample in enumerate(samples) if sample.target == gone.target and index != 4]
    assert any(torch.equal(pixels, pictures[(1, index)][0]) for index in same_class)
    pictures[(2, 4)]
    assert [record.getMessage() for record in caplog.records] == [
        f"the picture {gone.path} cannot be opened: No such file or directory, although it could be when the job "
        "began: another picture of its class replaces it"
    ]


def test_a_cached_picture_may_vanish(samples: tuple[Sample, ...]):
    pictures = TrainPictures(samples, "default", 32, seed=0, cache=cache_of(samples))
    before = pictures[(1, 4)][0]
    samples[4].path.unlink()
    assert torch.equal(pictures[(1, 4)][0], before)


def test_with_bad_images_fail_a_picture_that_vanished_is_named(samples: tuple[Sample, ...]):
    samples[4].path.unlink()
    with pytest.raises(DataError, match=f"{samples[4].path} cannot be opened.*bad-images is fail"):
        TrainPictures(samples, "default", 32, seed=0, bad_images="fail")[(1, 4)]


def test_where_a_whole_class_vanished_the_job_ends(samples: tuple[Sample, ...]):
    for sample in samples:
        if sample.target == samples[0].target:
            sample.path.unlink()
    with pytest.raises(DataError, match=r"others of its class .* keep the channel unchanged"):
        TrainPictures(samples, "default", 32, seed=0)[(1, 0)]


def test_an_evaluation_omits_a_picture_that_vanished(samples: tuple[Sample, ...], caplog: pytest.LogCaptureFixture):
    samples[0].path.unlink()
    assert EvaluationPictures(samples, SERVED)[0] is None
    assert "the evaluation omits it" in caplog.text
