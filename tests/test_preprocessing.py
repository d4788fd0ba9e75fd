import json
from dataclasses import replace

import numpy as np
import pytest
import torch
from PIL import Image
from torchvision import transforms

from container.contract.errors import ArtifactError
from container.preprocessing import IMAGENET_MEAN, IMAGENET_STD, Preprocessing

PHOTO = Image.fromarray(
    (np.add.outer(np.sin(np.arange(310) / 9), np.cos(np.arange(450) / 13))[..., None] * (40, 55, 60) + 120)
    .clip(0, 255)
    .astype(np.uint8)
)


def through(preprocessing: Preprocessing, picture: Image.Image) -> torch.Tensor:
    return preprocessing.normalize(torch.from_numpy(preprocessing.to_array(picture).copy())[None])[0]


@pytest.mark.parametrize("interpolation", ["bilinear", "bicubic"])
@pytest.mark.parametrize("size", [32, 64, 224])
@pytest.mark.parametrize("shape", [(450, 310), (310, 450), (251, 250), (97, 64), (1000, 37)])
def test_crop_is_torchvisions_evaluation_recipe(size: int, shape: tuple[int, int], interpolation: str):
    preprocessing, photo = replace(Preprocessing.for_size(size), interpolation=interpolation), PHOTO.resize(shape)
    recipe = transforms.Compose(
        [
            transforms.Resize(preprocessing.short_side, transforms.InterpolationMode(interpolation)),
            transforms.CenterCrop(size),
            transforms.ToTensor(),
            transforms.Normalize(IMAGENET_MEAN, IMAGENET_STD),
        ]
    )
    ours, theirs = through(preprocessing, photo), recipe(photo)
    assert ours.shape == theirs.shape == (3, size, size)
    # Less than a tenth of a grey level.
    assert (ours - theirs).abs().mean() < 0.0015


def test_squash_is_the_seed_projects_former_handler_to_the_bit():
    handler = transforms.Compose(
        [
            transforms.Resize((224, 224)),
            transforms.ToTensor(),
            transforms.Normalize(mean=[0.485, 0.456, 0.406], std=[0.229, 0.224, 0.225]),
        ]
    )
    torch.testing.assert_close(through(Preprocessing(resize="squash"), PHOTO), handler(PHOTO), rtol=0, atol=2e-6)


@pytest.mark.parametrize("size", [(1, 1), (5000, 3), (3, 700), (224, 224)])
def test_any_shape_of_picture_becomes_the_square(size: tuple[int, int]):
    assert Preprocessing.for_size(64).to_array(Image.new("RGB", size, "red")).shape == (64, 64, 3)


def test_a_card_that_names_no_interpolation_is_of_a_time_when_all_was_bilinear():
    fields = Preprocessing().to_json()
    del fields["interpolation"]
    assert Preprocessing.from_json(fields).interpolation == "bilinear"


def test_json_round_trip():
    preprocessing = Preprocessing(
        size=64, short_side=70, mean=(0.1, 0.2, 0.3), std=(1.0, 2.0, 3.0), interpolation="bicubic"
    )
    assert Preprocessing.from_json(json.loads(json.dumps(preprocessing.to_json()))) == preprocessing


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"size": 0}, "size 0"),
        ({"short_side": 10}, "short_side 10"),
        ({"resize": "stretch"}, "'stretch'"),
        ({"mean": [1, 2]}, "wrong type"),
        ({"std": [0, 1, 1]}, "std"),
        ({"interpolation": "nearest"}, r"interpolation is 'nearest'; it is 'bilinear' or 'bicubic'"),
        ({"size": "big"}, "wrong type"),
    ],
)
def test_a_wrong_field_is_named(change: dict[str, object], message: str):
    with pytest.raises(ArtifactError, match=message):
        Preprocessing.from_json(Preprocessing().to_json() | change)
