"""TrivialAugment and RandAugment are torchvision's, except that geometry is part of the affine map of the crop."""

import math
from collections import Counter
from collections.abc import Callable
from random import Random

import numpy as np
import pytest
from PIL import Image
from torchvision.transforms import InterpolationMode
from torchvision.transforms.v2 import functional as F  # noqa: N812

from container.train.data.augmentation import vary
from container.train.data.policies import Operation, Policy
from tests.train.data.test_augmentation import variation

SIZE = 64
ACROSS, DOWN = np.meshgrid(np.linspace(20, 235, SIZE), np.linspace(20, 200, SIZE))
SCENE = Image.fromarray(np.stack([ACROSS, DOWN, 128 + 60 * np.sin(ACROSS / 4)], -1).astype(np.uint8))


def affine(**changes: object) -> Callable[[Image.Image], Image.Image]:
    plain = {"angle": 0, "translate": [0, 0], "scale": 1, "shear": [0, 0], "interpolation": InterpolationMode.BILINEAR}
    return lambda picture: F.affine(picture, **{**plain, **changes})


@pytest.mark.parametrize(
    ("name", "strength", "transform"),
    [
        ("identity", 0, lambda picture: picture),
        ("shear-x", 0.5, affine(shear=[math.degrees(math.atan(0.5)), 0], center=[0, 0])),
        ("shear-y", -0.3, affine(shear=[0, math.degrees(math.atan(-0.3))], center=[0, 0])),
        ("translate-x", 0.25, affine(translate=[SIZE // 4, 0])),
        ("translate-y", -0.125, affine(translate=[0, -SIZE // 8])),
        ("rotate", math.radians(30), lambda picture: F.rotate(picture, 30, InterpolationMode.BILINEAR)),
        ("brightness", -0.4, lambda picture: F.adjust_brightness(picture, 0.6)),
        ("color", 0.9, lambda picture: F.adjust_saturation(picture, 1.9)),
        ("contrast", 0.5, lambda picture: F.adjust_contrast(picture, 1.5)),
        ("sharpness", -0.9, lambda picture: F.adjust_sharpness(picture, 0.1)),
        ("posterize", 5, lambda picture: F.posterize(picture, 3)),
        ("solarize", 0.6, lambda picture: F.solarize(picture, 255 * 0.4)),
        ("autocontrast", 0, F.autocontrast),
        ("equalize", 0, F.equalize),
    ],
)
def test_an_operation_does_what_torchvision_s_does(
    name: str, strength: float, transform: Callable[[Image.Image], Image.Image]
):
    whole = variation(width=SIZE, height=SIZE, operations=(Operation(name, strength),))
    ours = vary(np.asarray(SCENE), whole, (SIZE, SIZE), SIZE).astype(int)
    difference = np.abs(ours - np.asarray(transform(SCENE)).astype(int))
    assert difference.mean() < 1.5  # at the edge of the exposed part the two interpolate differently
    assert np.median(difference) <= 1
    assert name == "identity" or np.abs(ours - np.asarray(SCENE)).mean() > 1


def test_operations_are_applied_in_their_order():
    """A translation after a rotation moves along the result's axes, before it along the rotated ones."""
    pixels = np.asarray(SCENE)
    turned, moved = Operation("rotate", math.pi / 2), Operation("translate-x", 0.25)
    for operations, transforms in (
        ((turned, moved), (lambda one: F.rotate(one, 90), affine(translate=[SIZE // 4, 0]))),
        ((moved, turned), (affine(translate=[SIZE // 4, 0]), lambda one: F.rotate(one, 90))),
    ):
        expected = transforms[1](transforms[0](SCENE))
        ours = vary(pixels, variation(width=SIZE, height=SIZE, operations=operations), (SIZE, SIZE), SIZE)
        assert np.abs(ours.astype(int) - np.asarray(expected)).mean() < 1.5


def test_trivial_draws_one_operation_of_any_strength():
    random = Random(0)
    drawn = [Policy.trivial().draw(random) for _ in range(3000)]
    assert {len(operations) for operations in drawn} == {1}
    names = Counter(operations[0].name for operations in drawn)
    assert len(names) == 14
    assert min(names.values()) > 3000 / 14 * 0.7
    rotations = [math.degrees(each.strength) for (each,) in drawn if each.name == "rotate"]
    assert (min(rotations), max(rotations)) == pytest.approx((-135, 135), abs=10)
    assert {round(each.strength) for (each,) in drawn if each.name == "posterize"} == set(range(7))


def test_rand_draws_two_operations_of_one_magnitude():
    random = Random(0)
    drawn = [Policy.rand(15).draw(random) for _ in range(300)]
    assert {len(operations) for operations in drawn} == {2}
    rotations = {round(math.degrees(each.strength)) for pair in drawn for each in pair if each.name == "rotate"}
    assert rotations == {-15, 15}
