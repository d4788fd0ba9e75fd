"""Occlusion's heat of a network whose reasons are known."""

from collections.abc import Sequence

import numpy as np
import pytest

from container.preprocessing import Preprocessing
from container.serve.worker.engine.engine import Logits, Pixels
from container.serve.worker.occlusion import Occlusion

SIZE = 70
PREPROCESSING = Preprocessing(size=SIZE, short_side=SIZE, mean=(0.5, 0.5, 0.5))


class RedCorner:
    """Class 0 is red from row 50 to 59 and column 10 to 19; class 1 is anything else."""

    name, precision, device, threads = "openvino", "f32", "cpu", 1

    def logits(self, squares: Sequence[Pixels]) -> Logits:
        red = np.stack(squares)[:, 50:60, 10:20, 0].mean(axis=(1, 2)) / 255
        return np.stack([4 * red, np.full_like(red, 2)], axis=1).astype(np.float32)


def test_the_heat_is_where_hiding_lowers_the_probability() -> None:
    square = np.zeros((SIZE, SIZE, 3), np.uint8)
    square[..., 0] = 255
    occlusion = Occlusion(RedCorner(), PREPROCESSING)
    [red, other] = occlusion.heat([square, square], [0, 1])
    assert red.shape == (7, 7)
    # A cell is 10 pixels, its patch 20: the patches of the cells beside the reason hide half of it.
    assert red[5, 1] == 1
    assert red[4, 1] == red[6, 1] == red[5, 0] == red[5, 2]
    assert 0.3 < red[5, 1 + 1] < 0.7
    assert np.count_nonzero(red) == 9
    assert other.max() == 0, "nothing that is hidden makes class 1 less probable"
    assert np.all(square[..., 0] == 255), "the picture itself is untouched"


@pytest.mark.parametrize("size", [1, 5, 7])
def test_an_input_smaller_than_the_grid_has_a_cell_for_each_pixel(size: int) -> None:
    class Brightness(RedCorner):
        def logits(self, squares: Sequence[Pixels]) -> Logits:
            light = np.stack(squares).mean(axis=(1, 2, 3)) / 255
            return np.stack([light, 1 - light], axis=1).astype(np.float32)

    [heat] = Occlusion(Brightness(), Preprocessing(size=size, short_side=size)).heat(
        [np.full((size, size, 3), 255, np.uint8)], [0]
    )
    assert heat.shape == (size, size)
    assert heat.max() == 1
